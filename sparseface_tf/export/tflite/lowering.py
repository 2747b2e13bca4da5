"""The network that is exported: the trained one with its sparse layers written for LiteRT.

A layer that a converter traces as it trains leaves dense, or as something that no kernel computes
sparse. Here each becomes a matrix product of its own form, and the product's weights are *inputs*
of the traced graph: the converter never sees them, so it is done in seconds and in little memory
however large a layer is, and `build.py` puts them into the file as they are to be stored.
"""

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

from sparseface_tf.export.network import CENTRE, EMBEDDING, IMAGE, SCALE
from sparseface_tf.sparsify.geometry import layer_geometry, layer_kind
from sparseface_tf.tflite.encoding import BLOCK


def products(model):
    """The layers that are written as matrix products.

    Args:
        model: functional model with built layers.

    Returns:
        Dict from the layer's name to the layer: all locally connected ones, and dense ones on
        vectors.
    """
    found = {}
    for layer in model.layers:
        try:
            kind = layer_kind(layer)
        except ValueError:
            continue
        if kind == "local" or kind == "dense" and len(layer.input.shape) == 2:
            found[layer.name] = layer
    return found


def convolutions(model):
    """The convolutions with a kernel of their own: dict from name to layer."""
    return {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}


def weights_name(layer_name, suffix):
    """Name of a tensor with weights of a layer; names begin differently for any two layers."""
    # Letters and digits as they are, for names of arguments take no others.
    plain = "".join(c if c.isalnum() and c.isascii() else f"_{ord(c):x}_" for c in layer_name)
    return f"weights_{len(plain)}_{plain}_{suffix}"


def matrices(layer, lowering):
    """The weights of a layer's products.

    Args:
        layer: a layer of `products`.
        lowering: "layer", "positions" or "batched".

    Returns:
        List of matrices (outputs, inputs) without zeros, `scipy.sparse.csr_array` of float32: one
        for the layer; or one for each position, in rows. The inputs are padded to a multiple of 4
        by columns of zeros.
    """
    geometry, kernel = layer_geometry(layer), _kernel(layer)
    if geometry.kind == "dense":
        return [_padded(scipy.sparse.csr_array(kernel.T))]
    if lowering != "layer":
        windows = kernel.reshape(geometry.positions, geometry.fan_in, geometry.filters)
        return [_padded(scipy.sparse.csr_array(window.T)) for window in windows]
    (height, width, channels), (_, across, maps) = geometry.inputs, geometry.outputs
    y, x, down, right, channel, filters = np.nonzero(kernel)
    down = y * geometry.strides[0] + down - geometry.pad[0]
    right = x * geometry.strides[1] + right - geometry.pad[1]
    # Weights of the zeros around the map meet nothing.
    inside = (down >= 0) & (down < height) & (right >= 0) & (right < width)
    rows = ((y * across + x) * maps + filters)[inside]
    columns = ((down * width + right) * channels + channel)[inside]
    shape = geometry.positions * maps, height * width * channels
    values = kernel[np.nonzero(kernel)][inside]
    return [_padded(scipy.sparse.csr_array((values, (rows, columns)), shape))]


class Product(keras.layers.Layer):
    """Stands for a layer of `products` while the network is traced.

    Args:
        layer: the layer.
        lowering: "layer" is one FULLY_CONNECTED, "positions" is one for each position of a locally
            connected layer, "batched" is one BATCH_MATMUL, as in training.

    Attributes:
        layer, lowering: as given.
        names: of the inputs of the graph that are its weights, a list.
        shapes: theirs.
        tensors: what is computed with, to be set before the network is called.
    """

    def __init__(self, layer, lowering):
        super().__init__(name=layer.name, dtype="float32")
        self.layer, self.lowering = layer, lowering
        self.geometry = geometry = layer_geometry(layer)
        if lowering == "batched":
            self.shapes = [(geometry.positions, geometry.fan_in, geometry.filters)]
        elif lowering == "positions":
            self.shapes = [(geometry.filters, _round_up(geometry.fan_in))] * geometry.positions
        else:
            outputs, inputs = np.prod(geometry.outputs), np.prod(geometry.inputs)
            self.shapes = [(int(outputs), _round_up(int(inputs)))]
        self.names = [weights_name(layer.name, i) for i in range(len(self.shapes))]
        self.tensors = None
        # Read here: inside of a graph variables have no values.
        self._bias = None
        if layer.bias is not None:
            bias = keras.ops.convert_to_numpy(layer.bias).astype(np.float32)
            self._bias = bias.reshape(geometry.positions, geometry.filters)

    def batched_weights(self):
        """The weights of the "batched" lowering, float32 (positions, inputs, filters)."""
        return _kernel(self.layer).reshape(self.shapes[0])

    def call(self, x):
        if self.lowering == "layer":
            x = self._plus_bias(_product(tf.reshape(x, (1, -1)), self.tensors[0]), slice(None))
        elif self.lowering == "positions":
            windows = tf.unstack(self._windows(x)[0], axis=0)
            parts = [
                self._plus_bias(_product(window[None], tensor), slice(i, i + 1))
                for i, (window, tensor) in enumerate(zip(windows, self.tensors))
            ]
            x = tf.concat(parts, axis=1)
        else:
            x = tf.matmul(tf.transpose(self._windows(x), (1, 0, 2)), self.tensors[0])
            x = self._plus_bias(tf.transpose(x, (1, 0, 2)), slice(None))
        return self.layer.activation(tf.reshape(x, (1, *self.layer.output.shape[1:])))

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], *self.layer.output.shape[1:]), dtype="float32")

    def _windows(self, x):
        """What each position sees, (1, positions, window)."""
        views = [tf.reshape(view, (1, self.geometry.positions, -1))
                 for view in self.geometry.views(x)]  # fmt: skip
        return tf.concat(views, axis=2)

    def _plus_bias(self, x, positions):
        if self._bias is None:
            return x
        bias = self._bias[positions]
        return x + bias.reshape(x.shape[1:] if len(x.shape) == 3 else (-1,))


def trace(model, standing, pixels=False):
    """Traces a network with its matrix products lowered.

    Args:
        model: network computing in float32.
        standing: dict from a layer's name to its `Product`.
        pixels: take uint8 pixels and normalise them inside.

    Returns:
        A concrete function from an image (1, height, width, channels) and the weights of all
        products to {"embedding": (1, features)}.
    """
    lowered = keras.models.clone_model(
        model, clone_function=lambda layer: standing.get(layer.name, layer)
    )
    specs = [tf.TensorSpec((1, *model.input_shape[1:]), "uint8" if pixels else "float32", IMAGE)]
    for product in standing.values():
        specs += [
            tf.TensorSpec(shape, "float32", name)
            for shape, name in zip(product.shapes, product.names)
        ]

    @tf.function(input_signature=specs, autograph=False)
    def embed(image, *weights):
        weights = list(weights)
        for product in standing.values():
            product.tensors = [weights.pop(0) for _ in product.names]
        x = (tf.cast(image, tf.float32) - CENTRE) / SCALE if pixels else image
        return {EMBEDDING: lowered(x, training=False)}

    return embed.get_concrete_function()


def _product(x, weights):
    """x times weights, which have the outputs first, as FULLY_CONNECTED has them."""
    missing = weights.shape[1] - x.shape[1]
    if missing:
        x = tf.pad(x, [[0, 0], [0, missing]])
    return tf.linalg.matmul(x, weights, transpose_b=True)


def _kernel(layer):
    return keras.ops.convert_to_numpy(layer.kernel).astype(np.float32)


def _padded(matrix):
    matrix.resize(matrix.shape[0], _round_up(matrix.shape[1]))
    return matrix


def _round_up(inputs):
    return -(-inputs // BLOCK) * BLOCK
