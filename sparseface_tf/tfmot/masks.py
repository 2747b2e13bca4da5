"""Masks of tensorflow-model-optimization ("tfmot") for models of Keras 3.

tfmot prunes tf_keras (Keras 2) models only and refuses those of Keras 3. Its masks depend on the
kernels alone, though. So each kernel is handed to a twin, a tf_keras layer with the same weights;
tfmot's own `prune_low_magnitude` prunes it in one training step of learning rate 0, and the mask
is brought back in the shape of the kernel:

* `magnitude_mask` and `magnitude_masks`: `ConstantSparsity`, the weights of greatest magnitude;
* `two_by_four_mask` and `two_by_four_masks`: `sparsity_m_by_n=(2, 4)`, two of every four.

Any built model will do, with the layers of `sparseface_tf.layers` or with Keras' own; twins.py has
the twin of each.

**Which share is meant.** What tfmot calls sparsity is the share of the weights that become ZERO.
`density`, here as in the whole of sparseface_tf, is the share that is KEPT: `ConstantSparsity(0.9, …)`
is `density=0.1`.

Importing tfmot sets TF_USE_LEGACY_KERAS for the whole process, after which `tf.keras` is another
Keras. Therefore it is imported in a child process only; the process that calls these functions
keeps its environment and its Keras, of whatever backend.

Example, a model of Keras' own layers that is trained sparse from here on:

>>> masks = magnitude_masks(model, density=0.1)
>>> for name, mask in masks.items():
...     kernel = model.get_layer(name).kernel
...     kernel.assign(np.where(mask, kernel, 0))
...     kernel.constraint = MaskConstraint(mask, inner=kernel.constraint)
>>> model.compile("adam", "mse")
>>> model.fit(x, y)

The constraint belongs to the variable and is not saved with the model: a model that is loaded has
the zeros, but has to be given its constraints again before it is trained on. The layers of
`sparseface_tf.layers` have masks that are saved: `layer.assign_mask(masks[layer.name])`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from absl import logging
from numpy.typing import NDArray

from sparseface_tf.tfmot.child import masks_by_tfmot
from sparseface_tf.tfmot.twins import check_blocks, layers_of


def magnitude_mask(
    model: keras.Model | keras.layers.Layer,
    layer_name: str,
    *,
    density: float,
    block_size: Sequence[int] = (1, 1),
    block_pooling: str = "AVG",
    progress: bool = True,
) -> NDArray[np.bool_]:
    """`magnitude_masks` of one layer: a boolean array of the kernel's shape."""
    return magnitude_masks(
        model,
        density=density,
        layer_names=[layer_name],
        block_size=block_size,
        block_pooling=block_pooling,
        progress=progress,
    )[layer_name]


def magnitude_masks(
    model: keras.Model | keras.layers.Layer,
    *,
    density: float | Mapping[str, float],
    layer_names: Sequence[str] | None = None,
    block_size: Sequence[int] = (1, 1),
    block_pooling: str = "AVG",
    progress: bool = True,
) -> dict[str, NDArray[np.bool_]]:
    """The masks of tfmot's `ConstantSparsity`: the weights of greatest |w| of each layer.

    A layer has one threshold, the k-th greatest |w| of the whole kernel, all positions of a
    locally connected one included, with k = max(1, round(size * density)) computed in float32,
    half to even (`sample_mask` rounds in double precision). **All weights that equal the threshold
    are kept**, so that there can be more than k: most of all in a layer that has been pruned
    before, where the threshold is 0, and with it the whole mask is true, as soon as k is more
    than the weights left. What is really kept is reported as below and is `mask.sum()`.

    With blocks k counts blocks: a block's magnitude is the mean or the greatest |w| in it.

    Starting the child process and importing tfmot in it takes some ten seconds, so ask for all
    layers at once: for the eleven of Table 1 it all took 22 to 35 seconds on two busy cores.

    Args:
        model: a built Keras 3 model, or one built layer. Names are those of a model's own layers;
            ask a model that is a layer of it separately,
            `magnitude_masks(model.get_layer("backbone"), …)`: a warning names the layers inside of
            such a one.
        density: the share of the weights that is kept, in (0, 1], 1 - tfmot's sparsity: a
            number, or a dict of one for each layer name.
        layer_names: the layers; None for those that `density` names if it is a dict, and otherwise
            for all Dense, Conv2D and MaskedLocallyConnected2D layers.
        block_size: (height, width) of the blocks that are kept or dropped whole: along the
            inputs (of a locally connected layer: its window, flattened to kh * kw * inputs) and
            along the units or filters; (4, 1) are runs of four inputs, as `sample_mask` has them
            with block=4. Not for convolutions, as in tfmot.
        block_pooling: "AVG" or "MAX".
        progress: whether to show a bar, and of each layer how many weights are kept.

    Returns:
        dict of layer names to boolean arrays of the kernels' shapes, true where a weight is
        kept. Kernels of other types are compared as float32.

    Raises:
        ValueError: if tfmot is not installed, for layers that are unknown, not built or of
            another kind, for weights that are not finite, and for shares and blocks outside of
            the above.
        ChildProcessError: if tfmot fails.

    Example:

    >>> magnitude_masks(baseline_network(), density={"f": 1 / 256})["f"].sum()
    3072
    """
    if layer_names is None and isinstance(density, Mapping):
        layer_names = list(density)
    if block_pooling not in ("AVG", "MAX"):
        raise ValueError(f"block_pooling must be 'AVG' or 'MAX', got {block_pooling!r}")
    block_size = tuple(int(n) for n in block_size)
    if len(block_size) != 2 or min(block_size) < 1:
        raise ValueError(f"block_size must be two positive integers, got {block_size}")
    layers = layers_of(model, layer_names)
    twins: dict[str, dict[str, Any]] = {}
    for name, layer in layers.items():
        target = float(1 - _density_of(name, density))
        check_blocks(layer, block_size)
        twins[name] = {
            "target_sparsity": target,
            "block_size": block_size,
            "block_pooling_type": block_pooling,
        }
    masks = masks_by_tfmot(layers, twins, progress)
    for name, mask in masks.items():
        # Rounding is less than one block, but for the one that is always kept.
        block = int(np.prod(block_size))
        asked = max(block, mask.size * (1 - twins[name]["target_sparsity"]))
        if mask.sum() > asked + block + mask.size * 1e-6:
            logging.warning(
                "Layer '%s': tfmot keeps all weights of the threshold's magnitude, %d of %d, "
                "where %.0f were asked for.", name, mask.sum(), mask.size, asked
            )
    return masks


def two_by_four_mask(
    model: keras.Model | keras.layers.Layer, layer_name: str, *, progress: bool = True
) -> NDArray[np.bool_]:
    """`two_by_four_masks` of one layer: a boolean array of the kernel's shape."""
    return two_by_four_masks(model, layer_names=[layer_name], progress=progress)[layer_name]


def two_by_four_masks(
    model: keras.Model | keras.layers.Layer,
    *,
    layer_names: Sequence[str] | None = None,
    progress: bool = True,
) -> dict[str, NDArray[np.bool_]]:
    """The masks of tfmot's `sparsity_m_by_n=(2, 4)`: the two greatest |w| of every four.

    The four stand in a row along the inputs of one unit or filter:

    * dense: along axis 0 of (inputs, units);
    * convolution: along axis 2, the channels, of (kh, kw, inputs, filters), at each place of the
      window for itself;
    * locally connected: along the window flattened to kh * kw * inputs, as its matrix product
      has it; where 4 divides the inputs, that is along axis 4, the channels.

    Of equal weights the first are kept, zeros too. Of a last group of fewer than four no more
    than two are kept: so two of three colour channels, and the whole of a grey one.

    Args:
        model, layer_names, progress: as in `magnitude_masks`.

    Returns, Raises: as in `magnitude_masks`.
    """
    layers = layers_of(model, layer_names)
    return masks_by_tfmot(layers, {name: {"sparsity_m_by_n": (2, 4)} for name in layers}, progress)


def _density_of(name, density):
    """The density of one layer, checked."""
    if isinstance(density, Mapping):
        if name not in density:
            raise ValueError(f"density has no value for layer '{name}'")
        density = density[name]
    if not 0 < density <= 1:
        raise ValueError(
            f"density, the share of the weights of layer '{name}' that stay (1 - tfmot's "
            f"sparsity), must lie in (0, 1], got {density}"
        )
    return density
