"""Which outputs of a layer see which inputs: kind, windows, strides, padding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from sparseface_tf.layers import MaskedLocallyConnected2D, same_padding
from sparseface_tf.uses import tensors_of


def layer_kind(layer: keras.layers.Layer) -> str:
    """Returns "dense", "local" or "conv" for a layer with one weight a connection or a shared one.

    Args:
        layer: a `keras.layers.Dense` (subclasses included), a `keras.layers.Conv2D` or a
            `MaskedLocallyConnected2D`.

    Raises:
        ValueError: for any other layer.
    """
    if isinstance(layer, MaskedLocallyConnected2D):
        return "local"
    if isinstance(layer, keras.layers.Dense):
        return "dense"
    if isinstance(layer, keras.layers.Conv2D):
        return "conv"
    raise ValueError(
        f"layer '{layer.name}' is a {type(layer).__name__}: its connections are not those of a Dense, "
        "a Conv2D or a MaskedLocallyConnected2D, the layers that can lose some"
    )


@dataclasses.dataclass(frozen=True)
class LayerGeometry:
    """The connections of one layer, as a window that moves over a map of inputs.

    A dense layer is one window over a 1x1 map, so that the three kinds share one description.

    Attributes:
        kind: "dense", "local" or "conv".
        kernel_shape: tuple, the shape of `layer.kernel`.
        inputs: (height, width, channels) of the map of inputs, without padding.
        outputs: (height, width, filters) of the map of outputs.
        window: (height, width) of the kernel.
        strides, dilation: (vertical, horizontal).
        pad: (rows above, columns on the left) of zeros, as 'same' padding adds them.
    """

    kind: str
    kernel_shape: tuple[int, ...]
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)

    @property
    def fan_in(self) -> int:
        """K, the number of inputs of one output neuron."""
        return self.window[0] * self.window[1] * self.inputs[2]

    @property
    def filters(self) -> int:
        """Number of output neurons at one position."""
        return self.outputs[2]

    @property
    def positions(self) -> int:
        """M, the number of positions of the window."""
        return self.outputs[0] * self.outputs[1]

    def span(self, axis: int, start: int, stop: int) -> tuple[int, int]:
        """The inputs [first, last) on `axis` that outputs start..stop-1 see, in padded indices."""
        reach = (self.window[axis] - 1) * self.dilation[axis] + 1
        return start * self.strides[axis], (stop - 1) * self.strides[axis] + reach

    def views(self, inputs: Any) -> Iterator[Any]:
        """What all outputs see at each place in the window, in the kernel's order.

        Args:
            inputs: array or tensor of TensorFlow (..., height, width, channels), unpadded.

        Returns:
            Iterator over strided parts (..., out height, out width, channels).
        """
        inputs = self._padded(inputs)
        (step_y, step_x), (dilation_y, dilation_x) = self.strides, self.dilation
        end_y, end_x = (step * (size - 1) + 1 for step, size in zip(self.strides, self.outputs))
        for y in range(0, self.window[0] * dilation_y, dilation_y):
            for x in range(0, self.window[1] * dilation_x, dilation_x):
                yield inputs[..., y : y + end_y : step_y, x : x + end_x : step_x, :]

    def _padded(self, inputs):
        """Adds the zeros that the window sees around the map."""
        zeros = []
        for axis in range(2):
            before = self.pad[axis]
            _, end = self.span(axis, 0, self.outputs[axis])
            zeros.append((before, max(end - before - self.inputs[axis], 0)))
        if not np.any(zeros):
            return inputs
        zeros = [(0, 0)] * (len(inputs.shape) - 3) + zeros + [(0, 0)]
        return np.pad(inputs, zeros) if isinstance(inputs, np.ndarray) else ops.pad(inputs, zeros)


def layer_geometry(
    layer: keras.layers.Layer, model: keras.Model | None = None
) -> LayerGeometry:
    """Returns the `LayerGeometry` of a built layer of a functional model.

    Args:
        layer: the layer.
        model: the model in which it is looked at; default: the one in which it was called first.

    Raises:
        ValueError: for a layer that stands in the model more than once, for an unknown kind of layer, for grouped or channels-first convolutions, for
            dense layers on anything but vectors, and where the input size is not fixed.
    """
    kind = layer_kind(layer)
    kernel_shape = tuple(int(n) for n in layer.kernel.shape)
    inputs, outputs = tensors_of(model, layer) if model is not None else (layer.input, layer.output)
    in_shape, out_shape = tuple(inputs.shape[1:]), tuple(outputs.shape[1:])
    if None in in_shape or None in out_shape:
        raise ValueError(f"layer '{layer.name}': correlations need a model of fixed input size")
    if kind == "dense":
        if len(in_shape) != 1:
            raise ValueError(f"layer '{layer.name}': a dense layer must act on vectors, not on "
                             f"inputs of shape {in_shape}; flatten them first")
        return LayerGeometry(kind, kernel_shape, (1, 1, in_shape[0]), (1, 1, out_shape[0]))
    if getattr(layer, "groups", 1) != 1:
        raise ValueError(f"layer '{layer.name}': grouped convolutions are not supported")
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"layer '{layer.name}': only channels_last maps are supported")
    # Both kinds of layer have made pairs of what they were given.
    window, strides = layer.kernel_size, layer.strides
    dilation = getattr(layer, "dilation_rate", (1, 1))
    pad = (0, 0)
    if layer.padding == "same":
        rows, columns = zip(in_shape, window, strides, dilation)
        pad = same_padding(*rows)[0], same_padding(*columns)[0]
    return LayerGeometry(kind, kernel_shape, in_shape, out_shape, window, strides, dilation, pad)


def output_positions(layer: keras.layers.Layer) -> int:
    """Number of connections that share one weight: M of eq. 2 for a convolution, 1 otherwise."""
    geometry = layer_geometry(layer)
    return geometry.positions if geometry.kind == "conv" else 1
