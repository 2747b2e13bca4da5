"""Layers of Keras 3 and their twins of tf_keras: kernels there, masks back.

| layer                                              | twin                                    |
|----------------------------------------------------|-----------------------------------------|
| Dense, MaskedDense (inputs, units)                 | Dense                                   |
| Conv2D, MaskedConv2D (kh, kw, inputs, filters)     | Conv2D                                  |
| MaskedLocallyConnected2D (oh, ow, kh, kw, inputs,  | Dense (kh * kw * inputs, oh * ow *      |
| filters)                                           | filters), the positions side by side    |
"""

import collections

import keras
import numpy as np
from absl import logging

from sparseface_tf.sparsify.geometry import layer_kind


def layers_of(model, names):
    """The layers of these names, or all that have masks: dict of names to layers."""
    own = model.layers if isinstance(model, keras.Model) else [model]
    inside = {
        name: holder.name for holder in own for name in _names_inside(holder) if holder is not model
    }
    if names is None:
        layers = [layer for layer in own if _has_mask(layer)]
        if inside:
            logging.warning(
                "No masks for layers inside of other layers: %s. Ask for those of each such layer.",
                ", ".join(f"'{name}' in '{holder}'" for name, holder in inside.items()),
            )
        if not layers:
            raise ValueError(
                f"model '{model.name}' has no Dense, Conv2D or MaskedLocallyConnected2D layer of "
                "its own"
            )
    elif own == [model]:
        layers = own
    else:
        for name in names:
            if name in inside and name not in (layer.name for layer in own):
                raise ValueError(
                    f"layer '{name}' is inside of layer '{inside[name]}' of model '{model.name}': give "
                    f"model.get_layer('{inside[name]}') as the model"
                )
        layers = [model.get_layer(name) for name in dict.fromkeys(names)]
    counts = collections.Counter(layer.name for layer in own)
    for layer in layers:
        layer_kind(layer)
        if counts[layer.name] > 1:
            raise ValueError(f"model '{model.name}' has several layers named '{layer.name}'")
        if not layer.built:
            raise ValueError(f"layer '{layer.name}' has no weights yet: build the model first")
    return {layer.name: layer for layer in layers}


def _names_inside(holder):
    """Names of the layers with masks that another layer, such as a model, holds."""
    parts = holder._flatten_layers(include_self=False, recursive=True)
    return [layer.name for layer in parts if _has_mask(layer)]


def _has_mask(layer):
    try:
        return bool(layer_kind(layer))
    except ValueError:
        return False


def _twin_shape(layer):
    """The shape of the twin's kernel. See `to_twin`."""
    shape = tuple(int(n) for n in layer.kernel.shape)
    if layer_kind(layer) != "local":
        return shape
    out_height, out_width, *window, inputs, filters = shape
    return int(np.prod(window)) * inputs, out_height * out_width * filters


def to_twin(layer):
    """The kernel as the twin's, float32."""
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)
    if not np.isfinite(kernel).all():
        raise ValueError(f"layer '{layer.name}' has weights that are not finite")
    if layer_kind(layer) == "local":
        kernel = np.moveaxis(kernel, (0, 1), (-3, -2))
    return np.ascontiguousarray(kernel.reshape(_twin_shape(layer)))


def from_twin(layer, mask):
    """The twin's mask as the layer's, the inverse of `to_twin`."""
    shape = tuple(int(n) for n in layer.kernel.shape)
    if layer_kind(layer) == "local":
        mask = mask.reshape(*shape[2:5], *shape[:2], shape[5])
        mask = np.moveaxis(mask, (-3, -2), (0, 1))
    return np.ascontiguousarray(mask.reshape(shape))


def check_blocks(layer, block_size):
    """Refuses the blocks for which tfmot fails, or means other weights than it drops.

    Where blocks do not divide a kernel, tfmot pools it with padding on both sides, but expands
    the mask from the first row on: the block that is judged is not the one that is dropped. Nor
    does it take a kernel of one row or column of blocks.
    """
    if block_size == (1, 1):
        return
    kind = layer_kind(layer)
    if kind == "conv":
        raise ValueError(
            f"layer '{layer.name}' is a convolution: tfmot has blocks for dense (and locally "
            "connected) kernels only, so leave it out or leave out block_size"
        )
    shape = _twin_shape(layer)
    # No block over the border of two positions.
    sizes = shape[0], layer.kernel.shape[-1]
    if any(size % block for size, block in zip(sizes, block_size)):
        raise ValueError(
            f"layer '{layer.name}': blocks of {block_size} do not divide its {sizes[0]} inputs "
            f"and {sizes[1]} outputs"
        )
    if any(size == block for size, block in zip(shape, block_size)):
        raise ValueError(
            f"layer '{layer.name}': tfmot needs two blocks or more along either axis, and the "
            f"kernel is {shape} with blocks of {block_size}"
        )
