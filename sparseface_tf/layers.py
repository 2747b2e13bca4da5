"""Layers whose connections can be dropped: fully connected, convolutional, locally connected.

Each has its Keras counterpart's arguments and, beside `kernel` and `bias`, a boolean `mask` of the
kernel's shape that is saved with the model. All weights are kept at first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from sparseface_tf.constraints import MaskConstraint, MaskVariable


class _Masked:
    """What the three layers share: the mask, its constraint, its density, its assignment."""

    name: str
    kernel: Any
    mask: Any

    def _add_mask(self):
        self.mask = MaskVariable(tuple(self.kernel.shape))
        self.kernel.constraint = MaskConstraint(self.mask, inner=self.kernel_constraint)

    @property
    def density(self) -> float:
        """Fraction of the kernel's weights that are kept, a float in [0, 1]."""
        mask = ops.convert_to_numpy(self.mask)
        return np.count_nonzero(mask) / mask.size

    def assign_mask(self, mask: ArrayLike) -> None:
        """Sets the dropping matrix and zeroes the dropped weights at once.

        Args:
            mask: boolean array of the kernel's shape, true where a weight is kept.

        Raises:
            ValueError: if the shape is not the kernel's.
        """
        mask = np.asarray(ops.convert_to_numpy(mask)).astype(bool)
        if mask.shape != tuple(self.kernel.shape):
            raise ValueError(
                f"The mask of layer '{self.name}' must have the kernel's shape "
                f"{tuple(self.kernel.shape)}, got {mask.shape}."
            )
        self.mask.assign(mask)
        self.kernel.assign(np.where(mask, ops.convert_to_numpy(self.kernel), 0))


class _MaskedKeras(_Masked):
    """A Keras layer that has a kernel, with a mask added."""

    def build(self, input_shape):
        super().build(input_shape)
        self._add_mask()

    # Keras' own Dense and Conv2D name the variables they save one by one, so the mask has to
    # name itself.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["mask"] = self.mask

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.mask.assign(store["mask"])

    def enable_lora(self, *args, **kwargs):
        """Refused: the product that LoRA adds to a kernel has no mask."""
        raise ValueError(
            f"Layer '{self.name}' has a mask, and LoRA would add a full matrix to its kernel, dropped "
            "weights included: train the kernel itself, or take a layer of Keras."
        )


@keras.saving.register_keras_serializable(package="sparseface_tf")
class MaskedDense(_MaskedKeras, keras.layers.Dense):
    """`keras.layers.Dense` with droppable connections.

    Takes the arguments of Dense. `kernel` and `mask` have the shape (inputs, units).

    Example:

    >>> layer = MaskedDense(2)
    >>> layer.build((None, 3))
    >>> layer.assign_mask([[1, 0], [0, 1], [1, 0]])
    >>> layer.density
    0.5
    """


@keras.saving.register_keras_serializable(package="sparseface_tf")
class MaskedConv2D(_MaskedKeras, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with droppable connections.

    Takes the arguments of Conv2D. `kernel` and `mask` have the shape (kernel_height,
    kernel_width, inputs, filters): one entry is a set of connections with a shared weight.
    """


@keras.saving.register_keras_serializable(package="sparseface_tf")
class MaskedLocallyConnected2D(_Masked, keras.layers.Layer):
    """A convolution that does not share its weights over positions, with droppable connections.

    Keras 3 has no locally connected layer any more; this one computes what Keras 2's
    `LocallyConnected2D` did, as one batched matrix product (positions, batch, K) x (positions,
    K, filters) with K = kernel_height * kernel_width * inputs.

    Variables:
        kernel, mask: (out_height, out_width, kernel_height, kernel_width, inputs, filters).
        bias: (out_height, out_width, filters).

    Args:
        filters: number of output maps.
        kernel_size: integer or pair, height and width of the window.
        strides: integer or pair.
        padding: "valid" or "same" (zeros, as Conv2D pads).
        activation, use_bias, initializers, regularizers, constraints: as in Conv2D. The kernel is
            initialised as if every position were a convolution: its fans are those of one window.

    Input shape: (batch, height, width, inputs), height and width known.
    Output shape: (batch, out_height, out_width, filters).

    Raises:
        ValueError: for filters below 1, windows or strides that are no pairs of positive integers,
            another padding, an input of unknown size, or one that is smaller than a window.

    Example:

    >>> layer = MaskedLocallyConnected2D(8, 3, activation="relu")
    >>> layer(np.ones((2, 7, 6, 4))).shape
    TensorShape([2, 5, 4, 8])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.strides = _pair(strides, "strides")
        self.padding = padding
        if padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}.")
        if filters < 1:
            raise ValueError(f"filters must be at least 1, got {filters}.")
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Sequence[Any]) -> None:
        _, height, width, inputs = input_shape
        if None in (height, width, inputs):
            raise ValueError(
                f"Layer '{self.name}' has weights for every position, so the height, width and "
                f"channels of its input must be known; got {tuple(input_shape)}."
            )
        _, out_height, out_width, _ = self.compute_output_shape(input_shape)
        if min(out_height, out_width) < 1:
            raise ValueError(
                f"Layer '{self.name}': a window of {self.kernel_size} does not fit into an input "
                f"of {height}x{width}."
            )
        shape = (out_height, out_width, *self.kernel_size, inputs, self.filters)
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=_OneWindow(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(out_height, out_width, self.filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._add_mask()
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={1: height, 2: width, 3: inputs}
        )

    def call(self, inputs: Any) -> Any:
        out_height, out_width, kernel_height, kernel_width, channels, _ = self.kernel.shape
        positions, window = out_height * out_width, kernel_height * kernel_width * channels
        patches = self._patches(inputs, out_height, out_width)
        patches = ops.transpose(ops.reshape(patches, (-1, positions, window)), (1, 0, 2))
        kernel = ops.reshape(self.kernel, (positions, window, self.filters))
        outputs = ops.transpose(ops.matmul(patches, kernel), (1, 0, 2))
        outputs = ops.reshape(outputs, (-1, out_height, out_width, self.filters))
        if self.bias is not None:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)

    def _patches(self, inputs, out_height, out_width):
        """The windows as channels: (batch, out_height, out_width, kh * kw * inputs).

        Shifted slices rather than an image op, so that every backend and converter has them.
        """
        (stride_y, stride_x), (kernel_height, kernel_width) = self.strides, self.kernel_size
        if self.padding == "same":
            inputs = ops.pad(
                inputs,
                [
                    [0, 0],
                    same_padding(inputs.shape[1], kernel_height, stride_y),
                    same_padding(inputs.shape[2], kernel_width, stride_x),
                    [0, 0],
                ],
            )
        end_y, end_x = (out_height - 1) * stride_y + 1, (out_width - 1) * stride_x + 1
        shifted = [
            inputs[:, y : y + end_y : stride_y, x : x + end_x : stride_x, :]
            for y in range(kernel_height)
            for x in range(kernel_width)
        ]
        return ops.concatenate(shifted, axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        sizes = [
            -(-size // stride) if self.padding == "same" else (size - kernel) // stride + 1
            for size, kernel, stride in zip(input_shape[1:3], self.kernel_size, self.strides)
        ]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


class _OneWindow(keras.initializers.Initializer):
    """Initialises a locally connected kernel with the fans of one of its windows.

    Keras would count all positions into the fans and start the layer far too small.
    """

    def __init__(self, initializer):
        self.initializer = initializer

    def __call__(self, shape, dtype=None):
        out_height, out_width, *window, inputs, filters = shape
        initializer = self.initializer
        if isinstance(initializer, keras.initializers.VarianceScaling):
            # All positions are drawn side by side as filters of one convolution, so only the
            # fan of the inputs is that of a window: state the variance through that one.
            receptive = int(np.prod(window))
            fans = {"fan_in": receptive * inputs, "fan_out": receptive * filters}
            fans["fan_avg"] = (fans["fan_in"] + fans["fan_out"]) / 2
            initializer = keras.initializers.VarianceScaling(
                scale=initializer.scale * fans["fan_in"] / fans[initializer.mode],
                mode="fan_in",
                distribution=initializer.distribution,
                seed=initializer.seed,
            )
        drawn = initializer((*window, inputs, out_height * out_width * filters), dtype=dtype)
        drawn = ops.reshape(drawn, (*window, inputs, out_height, out_width, filters))
        return ops.transpose(drawn, (3, 4, 0, 1, 2, 5))


def _pair(value, name):
    """An integer or a pair of integers as a pair."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name} must be a positive integer or a pair of them, got {value!r}.")
    return pair


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after one axis, the odd one behind, as TensorFlow's 'same' has it."""
    reach = (kernel - 1) * dilation + 1
    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
