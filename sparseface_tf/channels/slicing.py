"""A model without some of its channels: the same layers with parts of their weights."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import ArrayLike

from sparseface_tf.channels.flow import Flow, producer


def sliced(
    model: keras.Model, kept: Mapping[str, ArrayLike], name: str | None = None
) -> keras.Model:
    """Removes channels for good, through every layer that sees them.

    Where the channels that are removed are zero (γ = β = 0) and stay so up to the next layer that
    mixes them, the result computes what the model does. Activations of these networks leave 0 at
    0; a depthwise convolution with a bias would not.

    Args:
        model: functional model in which each layer is used once, such as a network of
            `networks.py`, or one with its supervision.
        kept: dict from names of layers to the numbers of the channels that they keep, see `Flow`.
        name: name of the new model; default: the model's.

    Returns:
        A `keras.Model` of layers of the same names and classes, with the masks of those that have
        some, and with the states of random generators.

    Raises:
        ValueError: see `Flow`.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(16, 3, name="c")(image)
    >>> model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    >>> sliced(model, {"c": range(4)}).count_params()
    402
    """
    flow = Flow(model, kept)
    # Of the model as it was before it was compiled: losses may belong to its layers.
    bare = keras.Model(model.input, model.output, name=name or model.name)
    twin = keras.models.clone_model(
        bare, clone_function=lambda layer: narrowed(layer, flow.outputs[layer.name])
    )
    for layer in model.layers:
        if layer.name not in flow.inputs:
            continue
        other = twin.get_layer(layer.name)
        other.trainable = layer.trainable
        parts = parts_of(layer, flow.inputs[layer.name], flow.outputs[layer.name])
        for variable, new, axes in zip(layer.variables, other.variables, parts, strict=True):
            new.assign(cut(keras.ops.convert_to_numpy(variable), axes))
    return twin


def narrowed(layer, outputs, **changes):
    """A new, unbuilt layer of the same settings that gives only some channels.

    Args:
        layer: the layer.
        outputs: numbers of the channels.
        **changes: other settings to change.
    """
    config = {**layer.get_config(), **changes}
    if producer(layer):
        config[producer(layer)] = len(outputs)
    return type(layer).from_config(config)


def parts_of(layer, inputs, outputs):
    """Which part of each of a layer's variables is left.

    Args:
        layer: built layer.
        inputs, outputs: as in `Flow`.

    Returns:
        List with a dict for each of `layer.variables`, from axes to numbers.
    """
    return [_axes(layer, variable, inputs, outputs) for variable in layer.variables]


def cut(array, axes):
    """The part of an array that `parts_of` tells."""
    for axis, numbers in axes.items():
        array = np.take(array, numbers, axis)
    return array


def _axes(layer, variable, inputs, outputs):
    name, rank = variable.name, len(variable.shape)
    if "seed" in variable.path or rank == 0:
        return {}
    if producer(layer) and getattr(layer, "groups", 1) == 1:
        # Kernels and masks end with inputs and outputs, biases with outputs.
        takes = {rank - 2: inputs} if name in ("kernel", "mask") else {}
        return {**takes, rank - 1: outputs}
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return {rank - 2: inputs} if name == "kernel" else {rank - 1: outputs}
    if getattr(layer, "any_width", False):
        # One number a feature, such as the centres of identities.
        return {rank - 1: inputs}
    if producer(layer):  # groups: Flow has let nothing be taken from it
        return {}
    return {rank - 1: outputs}
