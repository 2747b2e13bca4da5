"""One model that computes a network at several widths, all with the same weights.

The poster's fine-tuning: the losses at 100, 75 and 50 % of the channels are summed, so that one set
of weights serves each. At a width p every layer works with the first channels of its inputs and its
outputs: with a part of the kernel that the whole network has. Plain `compile` and `fit` train it.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from sparseface_tf.channels.flow import Flow
from sparseface_tf.channels.slicing import narrowed, parts_of
from sparseface_tf.channels.width import prefixes
from sparseface_tf.supervision.centre_loss import ClassCentres
from sparseface_tf.supervision.output_names import name_at_width


class Part(keras.layers.Layer):
    """A layer with a part of another layer's weights.

    Args:
        layer: the built layer whose variables are used.
        inputs, outputs: numbers of the channels that are left of its input and its output, as in
            `Flow`.
        name: name of this layer.

    Input and output shape: the layer's, with as many channels as are left.
    """

    def __init__(self, layer, inputs, outputs, name):
        super().__init__(name=name, dtype=layer.dtype_policy)
        self.whole = layer
        narrow = narrowed(layer, outputs, name=f"{name}_narrow")
        # A layer of its shape computes, but not with its own weights: Keras shall not find these.
        self.narrow = lambda: narrow
        self.parts = dict(zip(map(id, layer.variables), parts_of(layer, inputs, outputs)))

    def build(self, input_shape):
        self.narrow().build(input_shape)

    def call(self, inputs):
        whole, narrow = self.whole, self.narrow()
        values = [
            [self._part(variable) for variable in variables]
            for variables in (whole.trainable_variables, whole.non_trainable_variables)
        ]
        narrow.trainable = whole.trainable
        outputs, _ = narrow.stateless_call(*values, inputs)
        return outputs

    def compute_output_shape(self, input_shape):
        return self.narrow().compute_output_shape(input_shape)

    def _part(self, variable):
        tensor = keras.ops.convert_to_tensor(variable)
        for axis, numbers in self.parts[id(variable)].items():
            tensor = _take(tensor, numbers, axis)
        return tensor


def at_widths(model: keras.Model, widths: Sequence[float], multiple: int = 1) -> keras.Model:
    """A model with the outputs of another at several widths.

    Args:
        model: functional model, with one output or a dict of them, whose batch normalisations are
            frozen (`trainable = False`): at lower widths they work with the moments of the whole.
        widths: shares of the channels, in (0, 1]; 1 must be among them.
        multiple: see `prefixes`.

    Returns:
        A `keras.Model` of the same input with a dict of outputs. At the width 1 they are called as
        the model's (an only one: as its layer), at others as `name_at_width` says. Its variables are
        those of `model`, but for centres of the `ClassCentres`, which each width has for itself.
        At a width p it computes what `at_width(model, p)` does. It cannot be saved; `model` can.

    Raises:
        ValueError: if a normalisation is not frozen or 1 is no width, and as `prefixes`.
    """
    widths = sorted(set(widths), reverse=True)
    if not widths or widths[0] != 1:
        given = ", ".join(f"{width:g}" for width in widths)
        raise ValueError(f"Widths go from 1 downwards; got {given}.")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            raise ValueError(
                f"Layer '{layer.name}' is not frozen: its moments are those of one width only. Set "
                "its trainable to False."
            )
    named = model.output
    if not isinstance(named, dict):
        named = {model.output_names[0]: named}
    outputs = dict(named)
    for width in widths[1:]:
        tensors = _narrow_graph(model, width, prefixes(model, width, multiple))
        for name, tensor in named.items():
            outputs[name_at_width(name, width)] = tensors[id(tensor)]
    return keras.Model(model.input, outputs, name=f"{model.name}_at_widths")


def _narrow_graph(model, width, kept):
    """Calls the model's layers once more: dict from the ids of its tensors to the narrow ones."""
    flow = Flow(model, kept)
    tensors = {id(tensor): tensor for tensor in model.inputs}
    for layer in model.layers:
        if layer.name not in flow.inputs:
            continue
        several = isinstance(layer.input, (list, tuple))
        inputs = [tensors[id(t)] for t in layer.input] if several else tensors[id(layer.input)]
        tensors[id(layer.output)] = _narrow_layer(layer, width, flow)(inputs)
    return tensors


def _narrow_layer(layer, width, flow):
    seen, given = flow.inputs[layer.name], flow.outputs[layer.name]
    name = name_at_width(layer.name, width)
    if isinstance(layer, ClassCentres) or not layer.weights:
        return narrowed(layer, given, name=name)
    # Keras knows outputs by the names of their layers, so one whose weights do not go by channels,
    # such as the margin of a distance, is a part too: the whole.
    return Part(layer, seen, given, name)


def _take(tensor, numbers, axis):
    count = tensor.shape[axis]
    if len(numbers) == count and (numbers[1:] > numbers[:-1]).all():
        return tensor
    if numbers[-1] + 1 == len(numbers) and (numbers[1:] > numbers[:-1]).all():
        # The first ones: the gradient of a slice is cheaper than that of a choice.
        return tensor[(*[slice(None)] * axis, slice(len(numbers)))]
    return keras.ops.take(tensor, numbers, axis)
