"""Which channels of a network are kept: by their scales γ, and otherwise.

A criterion is a subclass of `ChannelCriterion` with a name; `channel_criterion("gamma")` makes one
from what a flag says. Files of `sparseface_tf.criteria.load_criteria` may define more.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import keras
import numpy as np
from numpy.typing import NDArray

from sparseface_tf.channels.width import normalisations
from sparseface_tf.named import Named


@dataclasses.dataclass(frozen=True)
class ChannelCriterion(Named):
    """Scores the channels of one layer and selects those to keep.

    A subclass that has a `name` is known by it, and defines `scores`; its settings are the fields
    of a dataclass.

    Attributes of the class:
        name: what it is called in flags and tables.
        network: whether scores of different layers can be compared: then a width is a share of all
            channels of the network, else of each layer's, and there can be a threshold.
        one_shot: it selects once, before training.
    """

    family: ClassVar[str] = "criterion of channels"
    named: ClassVar[dict[str, type]] = {}
    network: ClassVar[bool] = False
    one_shot: ClassVar[bool] = True

    def scores(self, model: keras.Model, layer_name: str, seed: int = 0) -> NDArray[np.floating]:
        """Scores of one layer's channels, higher for those to keep.

        Args:
            model: functional model.
            layer_name: name of a layer of `normalisations(model)`.
            seed: integer, of anything random.

        Returns:
            Float array (channels,).
        """
        raise NotImplementedError

    def keep(
        self,
        model: keras.Model,
        width: float | None = None,
        threshold: float | None = None,
        multiple: int = 1,
        seed: int = 0,
    ) -> dict[str, NDArray[np.int64]]:
        """The channels to keep, of every layer that has a normalisation behind it.

        Args:
            model: functional model.
            width: share of the channels that is kept, in (0, 1]; or
            threshold: those whose score is above it.
            multiple: rounds each layer's number up to a multiple of this one, with the next best
                channels, as far as there are some. At least one stays in any case.
            seed: integer.

        Returns:
            Dict from layers' names to int64 arrays, ascending, as `sliced` takes it.

        Raises:
            ValueError: for a width out of range, a threshold of scores that cannot be compared, or
                a model without normalisations.
        """
        self.check(width)
        scores = {
            name: np.nan_to_num(self.scores(model, name, seed), nan=-np.inf)
            for name in normalisations(model)
        }
        if not scores:
            raise ValueError(
                f"Model '{model.name}' has no batch normalisation behind a layer: no channels can "
                "be pruned."
            )
        if width is None:
            numbers = {name: np.count_nonzero(score > threshold) for name, score in scores.items()}
        elif self.network:
            everything = np.concatenate(list(scores.values()))
            last = np.sort(everything)[::-1][max(1, round(width * everything.size)) - 1]
            numbers = {name: np.count_nonzero(score >= last) for name, score in scores.items()}
        else:
            numbers = {name: round(width * score.size) for name, score in scores.items()}
        kept = {}
        for name, score in scores.items():
            number = math.ceil(max(1, int(numbers[name])) / multiple) * multiple
            # Of equal ones the first.
            kept[name] = np.sort(np.argsort(-score, kind="stable")[:number])
        return kept

    def check(self, width: float | None = None) -> None:
        """Raises ValueError, in one line, if it cannot keep that width, or go by a threshold."""
        if width is None and not self.network:
            raise ValueError(
                f"criterion '{self.name}' knows no threshold: say what share of the channels is "
                "kept."
            )
        if width is not None and not 0 < width <= 1:
            raise ValueError(f"The share of channels that is kept is in (0, 1], got {width}.")


class Gamma(ChannelCriterion):
    """The largest |γ|: the poster's, and without priorities that of network slimming."""

    name = "gamma"
    network = True

    def scores(self, model, layer_name, seed=0):
        return np.abs(keras.ops.convert_to_numpy(normalisations(model)[layer_name].gamma))


class Prefix(Gamma):
    """As many channels of each layer as `gamma` keeps, but the first ones."""

    name = "prefix"

    def keep(self, model, width=None, threshold=None, multiple=1, seed=0):
        kept = super().keep(model, width, threshold, multiple, seed)
        return {name: np.arange(len(numbers)) for name, numbers in kept.items()}


class Norm(ChannelCriterion):
    """The largest sum of |w| of a layer's filters, layer by layer.

    Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017.
    """

    name = "norm"

    def scores(self, model, layer_name, seed=0):
        kernel = keras.ops.convert_to_numpy(model.get_layer(layer_name).kernel)
        return np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0)


class Random(ChannelCriterion):
    """Any channels of a layer, all with the same probability."""

    name = "random"

    def scores(self, model, layer_name, seed=0):
        channels = model.get_layer(layer_name).output.shape[-1]
        # Another stream for every layer.
        number = [layer.name for layer in model.layers].index(layer_name)
        return np.random.default_rng([seed, 3, number]).random(channels)
