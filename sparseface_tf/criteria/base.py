"""What a criterion is, and the callback that lets it sparsify a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import NDArray

from sparseface_tf.criteria.ranking import blocks_of, keep_largest
from sparseface_tf.named import Named
from sparseface_tf.sparsify import layer_kind
from sparseface_tf.sparsify.budgets import check_enough, number_kept


@dataclasses.dataclass(frozen=True)
class Criterion(Named):
    """Scores the weights of one layer of a model and selects those to keep.

    A subclass that has a `name` is known to `criteria()` by it. Most define `scores` alone and
    keep the layer's largest; its settings are the fields of a dataclass:

        @dataclasses.dataclass(frozen=True)
        class Power(Criterion):
            \"\"\"Largest |w| to some power.\"\"\"

            name = "power"
            power: float = setting(2.0, "Exponent of the magnitude.")

            def scores(self, model, layer_name, batches, *, seed=0, progress=False):
                return np.abs(kernel_of(model.get_layer(layer_name))) ** self.power

    Attributes of the class:
        name: what it is called in flags and tables.
        images: what `scores` looks at. "held_out": images that took no part in training.
            "training": mini-batches as the model is trained with, with the identities; a loss
            has no value for held-out people, who have no class. "": nothing.
        blocks: whether it can keep whole runs of inputs.
        backends: Keras backends that it runs on; empty: all.
        one_shot: whether it selects once, at the start, or as training goes on.
    """

    family: ClassVar[str] = "criterion"
    named: ClassVar[dict[str, type]] = {}
    images: ClassVar[str] = ""
    blocks: ClassVar[bool] = True
    backends: ClassVar[tuple[str, ...]] = ()
    one_shot: ClassVar[bool] = True

    def scores(
        self,
        model: keras.Model,
        layer_name: str,
        batches: Iterable[Any] | None,
        *,
        seed: int = 0,
        progress: bool = False,
    ) -> NDArray[np.floating]:
        """Scores of one layer's weights, higher for those to keep.

        Args:
            model: the model; compiled with its losses where `images` is "training".
            layer_name: name of a layer of it, one of sparseface_tf.layers.
            batches: re-iterable of what `images` says: batches of images, float32 (n, height,
                width, channels), or the batches (images, targets) that the model is fitted with.
            seed: integer, of anything random.
            progress: whether to show a progress bar.

        Returns:
            Float array of the kernel's shape. A dropped weight may have any score.
        """
        raise NotImplementedError

    def select(
        self,
        scores: NDArray[np.floating],
        layer: keras.layers.Layer,
        density: float | Fraction,
        *,
        block: int = 1,
        seed: int = 0,
    ) -> NDArray[np.bool_]:
        """The weights to keep, round(density * |W|) of them, among those that the layer still has.

        Args:
            scores: what `scores` returned.
            layer: the layer.
            density: the fraction of all of the kernel's weights that is kept, in (0, 1].
            block: keeps whole runs of that many weights along the input axis, the last but one;
                then block * round(density * |W| / block) weights are kept.
            seed: integer; the same seed gives the same mask.

        Returns:
            Boolean array of the kernel's shape.

        Raises:
            ValueError: if the layer has fewer weights left, the density is out of range or a block does
                not divide the inputs.
        """
        rng = np.random.default_rng(seed)
        return keep_largest(scores, density, allowed=mask_of(layer), block=block, rng=rng)

    def mask(
        self,
        model: keras.Model,
        layer_name: str,
        density: float | Fraction,
        batches: Iterable[Any] | None = None,
        *,
        block: int = 1,
        seed: int = 0,
        progress: bool = False,
    ) -> NDArray[np.bool_]:
        """Scores and selects: the mask of one layer, not assigned yet.

        Args, result and errors: those of `scores` and `select`.
        """
        return self._scores_and_mask(model, layer_name, density, batches, block, seed, progress)[1]

    def callback(
        self,
        layer: str,
        density: float | Fraction,
        batches: Iterable[Any] | None = None,
        *,
        done: Callable[[Any], None] | None = None,
        steps: int | None = None,
        start: int = 0,
        **options: Any,
    ) -> keras.callbacks.Callback:
        """The Keras callback that sparsifies a layer when `fit` begins, or while it runs.

        Args:
            layer: name of the layer.
            density, batches: as in `select` and `scores`.
            done: function of the callback, called when the layer's mask is final.
            steps: mini-batches of the training, and
            start: number of the one at which it (re)starts: of use where `one_shot` is false.
            **options: `block`, `seed` and `progress` of `mask`.
        """
        return MaskCallback(self, layer, density, batches, done=done, **options)

    def check(self, block: int = 1, density: float | Fraction | None = None) -> None:
        """Raises ValueError, in one line, if the criterion cannot do what is asked here.

        Args:
            block, density: as in `select`; None if the density is not known yet.
        """
        if block > 1 and not self.blocks:
            raise ValueError(
                f"criterion '{self.name}' keeps single weights only: it cannot be combined with "
                f"block={block}."
            )
        backend = keras.backend.backend()
        if self.backends and backend not in self.backends:
            raise ValueError(
                f"criterion '{self.name}' runs on the {' or '.join(self.backends)} backend of "
                f"Keras, this is {backend}."
            )

    def _scores_and_mask(self, model, layer_name, density, batches, block, seed, progress):
        self.check(block, density)
        if self.images and batches is None:
            raise ValueError(
                f"criterion '{self.name}' looks at {self.images.replace('_', '-')} images: give it "
                "some."
            )
        layer = model.get_layer(layer_name)
        layer_kind(layer)  # refuses what has no mask
        scores = self.scores(model, layer_name, batches, seed=seed, progress=progress)
        return scores, self.select(scores, layer, density, block=block, seed=seed)


class MaskCallback(keras.callbacks.Callback):
    """Sparsifies a layer at the start of training, by a criterion.

    Args:
        criterion: a `Criterion`.
        layer: name of the layer, one of sparseface_tf.layers; training with another layer ends with a
            ValueError before an image is read.
        density: the fraction of its weights kept, in (0, 1].
        batches: the images that the criterion looks at.
        done: function called with this callback when the mask is assigned.
        block, seed, progress: see `Criterion.mask`.

    Attributes:
        scores: after the start, the scores of the layer's weights in the model before.
        mask: after the start, the mask that was assigned.
    """

    def __init__(
        self,
        criterion: Criterion,
        layer: str,
        density: float | Fraction,
        batches: Iterable[Any] | None = None,
        *,
        done: Callable[[MaskCallback], None] | None = None,
        block: int = 1,
        seed: int = 0,
        progress: bool = True,
    ):
        super().__init__()
        criterion.check(block, density)
        self.criterion, self.layer, self.density = criterion, layer, density
        self.batches, self.done = batches, done
        self.options: dict[str, Any] = dict(block=block, seed=seed, progress=progress)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        block = self.options["block"]
        # Before any image is read, which may take minutes.
        layer = masked_layer(self.model, self.layer, self.density, block)
        self.scores, self.mask = self.criterion._scores_and_mask(
            self.model, self.layer, self.density, self.batches, **self.options
        )
        layer.assign_mask(self.mask)
        if self.done is not None:
            self.done(self)


def masked_layer(
    model: keras.Model, name: str, density: float | Fraction, block: int = 1
) -> keras.layers.Layer:
    """The layer of a model that is to lose weights.

    Args:
        model: the model.
        name: name of the layer.
        density, block: as in `Criterion.select`.

    Raises:
        ValueError: if there is no such layer, it has no mask or fewer weights left than are to be
            kept, the density is out of range, or a block does not divide the inputs.
    """
    layer = model.get_layer(name)
    if not hasattr(layer, "assign_mask"):
        raise ValueError(f"layer '{name}' is a {type(layer).__name__}, which has no mask: {_instead(layer)}")
    mask = keras.ops.convert_to_numpy(layer.mask)
    kept = number_kept(density, mask.size, block)
    check_enough(np.count_nonzero(blocks_of(mask, block).all(axis=-2)), kept, block)
    return layer


def _instead(layer):
    """What to take in the place of a layer without a mask, in words."""
    if type(layer) in (keras.layers.Dense, keras.layers.Conv2D):
        return (
            f"put sparseface_tf.layers.Masked{type(layer).__name__} in its place, which takes the same "
            "arguments and weights"
        )
    return "MaskedDense, MaskedConv2D and MaskedLocallyConnected2D of sparseface_tf.layers have one"


def kernel_of(layer: keras.layers.Layer) -> NDArray[np.floating]:
    """The weights of a layer, a NumPy array; those that were dropped are zero."""
    return keras.ops.convert_to_numpy(layer.kernel)


def mask_of(layer: keras.layers.Layer) -> NDArray[np.bool_] | None:
    """The mask of a layer, a NumPy array, or None for a Keras layer without one."""
    mask = getattr(layer, "mask", None)
    return None if mask is None else keras.ops.convert_to_numpy(mask)
