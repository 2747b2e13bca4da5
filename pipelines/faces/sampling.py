"""Cutting a turned and scaled rectangle out of an image."""

import math

import tensorflow as tf

from pipelines.faces.arrays import PREFILTER_BELOW

# So little tilt, in pixels of the image, is none.
UPRIGHT = 0.01


def sample(
    image: tf.Tensor,
    c: tf.Tensor,
    d: tf.Tensor,
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    *,
    mirrored: bool | tf.Tensor = False,
    grey: bool = False,
) -> tf.Tensor:
    """Cuts a rotated and scaled rectangle out of an image.

    Args:
        image: tensor (h, w, channels) of any real type.
        c, d: complex128 scalars; pixel z = x + iy of the crop is taken at point c z + d of the
            image, integers at the centres of pixels.
        height, width: size of the crop in pixels, integers or integer tensors.
        mirrored: boolean or scalar tensor; mirrors the crop, not what it is taken from.
        grey: whether to make one channel of three.

    Returns:
        float32 tensor (height, width, channels) in the range of the image, sampled bilinearly;
        0 where the image has no pixels.
    """
    size = tf.shape(image)[:2]
    c_x, c_y, d_x, d_y = tf.math.real(c), tf.math.imag(c), tf.math.real(d), tf.math.imag(d)
    # Point (x, y, 1) of the crop to (x, y) of the image.
    matrix = tf.stack([[c_x, -c_y, d_x], [c_y, c_x, d_y]])
    step = tf.abs(c)  # source pixels to a pixel of the crop

    def whole():
        return tf.cast(image, tf.float32), matrix

    def part():
        return _reduced_part(image, tf.cast(size, tf.float64), step, matrix, height, width)

    # A larger image is not converted whole.
    small = tf.reduce_prod(size) <= 8 * height * width
    source, matrix = tf.cond(small & (step * PREFILTER_BELOW < 1), whole, part)
    source = tf.ensure_shape(source, (None, None, image.shape[-1]))
    if grey and image.shape[-1] == 3:
        source = tf.image.rgb_to_grayscale(source)

    matrix = _mirrored(matrix, mirrored, width)
    last = tf.cast(tf.stack([width - 1, height - 1]), tf.float64)
    tilt = tf.abs(matrix[0, 1]) * tf.reduce_max(last)  # in pixels, from one side to the other
    crop = tf.cond(
        tilt < UPRIGHT,
        lambda: _upright(source, matrix, last, height, width),
        lambda: _tilted(source, matrix, height, width),
    )
    # All of the shape is stated: a training step compiled for an unknown number of channels is a
    # fifth slower.
    known = [None if tf.is_tensor(side) else side for side in (height, width)]
    return tf.ensure_shape(crop[0], (*known, source.shape[-1]))


def _mirrored(matrix, mirrored, width):
    """The matrix that leads from a mirrored crop to the image, where `mirrored` is true."""
    # The first column belongs to x, which runs from the other side of a mirrored crop.
    across = matrix[:, 0] * tf.cast(mirrored, tf.float64)
    last = tf.cast(width - 1, tf.float64)
    return matrix + tf.stack([-2 * across, tf.zeros_like(across), across * last], axis=1)


def _tilted(source, matrix, height, width):
    """Samples bilinearly where a matrix leads to; a batch of one."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=source[None],
        transforms=tf.cast(tf.pad(tf.reshape(matrix, (1, 6)), [(0, 0), (0, 2)]), tf.float32),
        output_shape=tf.stack([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _upright(source, matrix, last, height, width):
    """The same for a matrix that does not turn, three times as fast.

    Args:
        last: float64 tensor (2,), x and y of the crop's last pixel.
    """
    # It has no values between an image's last pixel and what is outside: there they are made by a
    # border of zeros.
    padded = tf.pad(source, [(1, 1), (1, 1), (0, 0)])
    first = matrix[:, 2] + 1
    ends = tf.stack([first, first + tf.linalg.diag_part(matrix) * last])
    ends /= tf.cast(tf.shape(padded)[1::-1] - 1, tf.float64)
    box = tf.cast(tf.reshape(tf.reverse(ends, [1]), (1, 4)), tf.float32)
    return tf.image.crop_and_resize(padded[None], box, [0], tf.stack([height, width]))


def _reduced_part(image, size, step, matrix, height, width):
    """The part of an image around a crop, with less pixels if the crop has many fewer.

    Returns:
        The part, float32, and the matrix that leads from the crop to it.
    """
    # Halve the source as often as the scale asks for: below 0.6 once, below 0.3 twice, …
    halvings = tf.floor(1 + tf.math.log(step * PREFILTER_BELOW) / math.log(2))
    factor = 2 ** tf.maximum(halvings, tf.zeros_like(halvings))
    right, below = tf.cast(width, tf.float64), tf.cast(height, tf.float64)
    zero, one = tf.zeros_like(right), tf.ones_like(right)
    corners = tf.stack([[zero, right, zero, right], [zero, zero, below, below], [one] * 4])
    corners = tf.reverse(matrix @ corners, [0])  # y before x, as in sizes
    margin = 2 * (factor + step)
    # On multiples of the factor, so that a cut does not shift what is averaged.
    begin = tf.floor((tf.reduce_min(corners, axis=1) - margin) / factor) * factor
    end = tf.math.ceil((tf.reduce_max(corners, axis=1) + margin) / factor) * factor
    begin = tf.clip_by_value(begin, tf.zeros_like(size), size - 1)
    part = tf.clip_by_value(end, begin + 1, size) - begin
    image = tf.slice(
        image,
        tf.concat([tf.cast(begin, tf.int32), [0]], 0),
        tf.concat([tf.cast(part, tf.int32), [-1]], 0),
    )
    image = tf.cast(image, tf.float32)
    reduced = tf.math.ceil(part / factor)
    image = tf.cond(
        factor > 1,
        lambda: tf.image.resize(image, tf.cast(reduced, tf.int32), antialias=True),
        lambda: image,
    )
    shrunk, begin = tf.reverse(reduced / part, [0]), tf.reverse(begin, [0])
    offset = shrunk * (matrix[:, 2] - begin + 0.5) - 0.5
    return image, tf.concat([shrunk[:, None] * matrix[:, :2], offset[:, None]], axis=1)
