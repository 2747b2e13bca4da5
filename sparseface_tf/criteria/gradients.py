"""Squared gradients of a layer's weights, for every image or pair of images on its own.

The gradient of one image in a kernel is a sum over positions of products of an input and of the
derivative in an output. Here such sums are squared and added up over the images with the memory of
a few kernels at most: no image's gradient of a locally connected or dense layer is ever formed, and
those of a convolution only at one place of the window at a time.
"""

import contextlib

import tensorflow as tf

# Bytes of the gradients of a convolution, and of the inputs they are made of, at a time.
_WORK = 2**26


def squared_gradients(geometry, inputs, deltas, group=1):
    """Sum over groups of images of the square of the group's gradient.

    With a the inputs, δ the derivatives of the group's loss in the outputs before the activation
    function and p the positions that share a weight,

        Σ_groups ( Σ_(images of the group) Σ_p a δ )².

    Args:
        geometry: `LayerGeometry` of the layer.
        inputs: tensor (images, *geometry.inputs), or (images, K) for a dense layer.
        deltas: tensor (images, *geometry.outputs), or (images, units).
        group: 1, or 2 where the loss of a pair, rows 2i and 2i + 1, is squared.

    Returns:
        float32 tensor of the kernel's shape.
    """
    inputs = tf.reshape(tf.cast(inputs, tf.float32), (-1, *geometry.inputs))
    deltas = tf.reshape(tf.cast(deltas, tf.float32), (-1, *geometry.outputs))
    if geometry.kind == "conv":
        places = _shared(geometry, inputs, deltas, group)
    else:
        places = _own(geometry, inputs, deltas, group)
    # (places, out height, out width, inputs, filters); shared weights have no positions.
    places = tf.stack(places)
    if geometry.kind == "local":
        places = tf.transpose(places, (1, 2, 0, 3, 4))
    return tf.reshape(places, geometry.kernel_shape)


def images_at_once(geometry, most=64):
    """How many images `squared_gradients` takes at a time in bounded memory, an even number."""
    channels, (height, width, filters) = geometry.inputs[2], geometry.outputs
    sizes = [4 * height * width * channels]
    if geometry.kind == "conv":
        sizes.append(4 * channels * filters)
    return max(2, min(most, _WORK // max(sizes)) // 2 * 2)


@contextlib.contextmanager
def before_activation(layer):
    """Notes what a layer puts out before its activation function.

    Yields:
        List that gets the tensor each time that the layer is called inside the context.
    """
    seen, activation = [], layer.activation

    def noted(x):
        seen.append(x)
        return activation(x)

    layer.activation = noted
    try:
        yield seen
    finally:
        layer.activation = activation


def _shared(geometry, inputs, deltas, group):
    """Convolution: the gradients of all groups at one place of the window after the other."""
    channels, (height, width, filters) = geometry.inputs[2], geometry.outputs
    rows = group * height * width
    deltas = tf.reshape(deltas, (-1, rows, filters))
    places = []
    for seen in geometry.views(inputs):
        seen = tf.reshape(seen, (-1, rows, channels))
        gradients = tf.matmul(seen, deltas, transpose_a=True)
        places.append(tf.reduce_sum(tf.square(gradients), axis=0))
    return places


def _own(geometry, inputs, deltas, group):
    """Weights of one position each: the square of a product is the product of the squares.

    Of a pair, (a₁δ₁ + a₂δ₂)² = a₁²δ₁² + a₂²δ₂² + 2 a₁a₂ δ₁δ₂: one more row for every two.
    """
    outputs = _with_cross_terms(tf.transpose(deltas, (1, 2, 0, 3)), group, 1.0)
    places = []
    for seen in geometry.views(inputs):
        seen = _with_cross_terms(tf.transpose(seen, (1, 2, 0, 3)), group, 2.0)
        squares = tf.matmul(seen, outputs, transpose_a=True)
        # The cross terms may have taken a little more than there was, by rounding.
        places.append(tf.maximum(squares, 0.0))
    return places


def _with_cross_terms(values, group, factor):
    """Rows (…, images, n) squared, and behind them the products of the two rows of each pair."""
    if group == 1:
        return tf.square(values)
    products = factor * values[..., 0::2, :] * values[..., 1::2, :]
    return tf.concat([tf.square(values), products], axis=-2)
