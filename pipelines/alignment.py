"""Bringing faces into one position by a similarity transform from five landmarks."""

import math

import tensorflow as tf

# Where the landmarks of an aligned face are in a crop of 112 x 96 pixels: x and y of the viewer's
# left eye, right eye, nose, left and right corner of the mouth.
TEMPLATE = (
    (30.2946, 51.6963),
    (65.5318, 51.5014),
    (48.0252, 71.7366),
    (33.5493, 92.3655),
    (62.7299, 92.2041),
)

# Below this scale the source is reduced before it is sampled bilinearly, which would otherwise
# skip pixels.
PREFILTER_BELOW = 0.6


def template(height, width):
    """Positions of the five landmarks in an aligned crop.

    The template of 112 x 96 pixels is scaled to the width, and as many rows are cut off above as
    below: 96 x 96 is 112 x 96 without the 8 rows at the top and at the bottom.

    Args:
        height, width: size of the crop in pixels.

    Returns:
        float64 tensor (5, 2), x and y in pixels, integers at the centres of pixels.
    """
    scale = width / 96
    cut = (112 * scale - height) / 2
    return (tf.constant(TEMPLATE, tf.float64) + 0.5) * scale - 0.5 - [0.0, cut]


def similarity(source, target):
    """The similarity transform that brings points closest to others, in least squares.

    With points as complex numbers x + iy a similarity transform (rotation, scale and shift, no
    reflection) is t = a s + b; the a that minimises the sum of |a s + b - t|² over centred points
    is sum(conj(s) t) / sum(|s|²).

    Args:
        source, target: real tensors (n, 2), x and y of each point.

    Returns:
        The complex128 scalars a and b; not finite where the points do not determine them.
    """
    source = tf.complex(*tf.unstack(tf.cast(source, tf.float64), axis=-1))
    target = tf.complex(*tf.unstack(tf.cast(target, tf.float64), axis=-1))
    source_mean, target_mean = tf.reduce_mean(source), tf.reduce_mean(target)
    s, t = source - source_mean, target - target_mean
    a = tf.reduce_sum(tf.math.conj(s) * t) / tf.reduce_sum(tf.math.conj(s) * s)
    return a, target_mean - a * source_mean


def align(image, landmarks, height, width):
    """Cuts an aligned face out of an image.

    Without landmarks the face is taken as roughly aligned already: the largest central part of
    the crop's shape is scaled to its size.

    Args:
        image: tensor (h, w, channels) of any real type.
        landmarks: float tensor (5, 2), x and y in pixels, integers at the centres of pixels; not
            known where any is NaN.
        height, width: size of the crop in pixels.

    Returns:
        float32 tensor (height, width, channels) in the range of the image, sampled bilinearly;
        0 where the image has no pixels.
    """
    channels = image.shape[-1]
    size = tf.cast(tf.shape(image)[:2], tf.float64)
    c_x, c_y, d_x, d_y = tf.unstack(_placement(landmarks, size, height, width))
    step = tf.sqrt(c_x**2 + c_y**2)  # source pixels to a pixel of the crop
    # Halve the source as often as the scale asks for: below 0.6 once, below 0.3 twice, …
    halvings = tf.floor(1 + tf.math.log(step * PREFILTER_BELOW) / math.log(2))
    factor = 2 ** tf.maximum(halvings, tf.zeros_like(halvings))

    # Only the part around the crop is converted and reduced: photographs may be large.
    corners_x = c_x * [0, width, 0, width] - c_y * [0, 0, height, height] + d_x
    corners_y = c_y * [0, width, 0, width] + c_x * [0, 0, height, height] + d_y
    corners = tf.stack([corners_y, corners_x])
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

    # The op's matrix takes (x, y) of the crop to (x, y) of the reduced part.
    f_y, f_x = tf.unstack(reduced / part)
    x_row = [f_x * c_x, -f_x * c_y, f_x * (d_x - begin[1] + 0.5) - 0.5]
    y_row = [f_y * c_y, f_y * c_x, f_y * (d_y - begin[0] + 0.5) - 0.5]
    crop = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.cast(tf.stack([[*x_row, *y_row, 0.0, 0.0]]), tf.float32),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0]
    # All of the shape is stated: a training step compiled for an unknown number of channels is a
    # fifth slower.
    return tf.ensure_shape(crop, (height, width, channels))


def _placement(landmarks, size, height, width):
    """Where the crop lies in the source: its pixel z comes from c z + d.

    Args:
        landmarks: float tensor (5, 2).
        size: float64 tensor (2,), height and width of the source.
        height, width: size of the crop.

    Returns:
        float64 tensor (4,): real and imaginary part of c, then of d.
    """
    a, b = similarity(landmarks, template(height, width))
    c, d = 1 / a, -b / a
    aligned = tf.stack([tf.math.real(c), tf.math.imag(c), tf.math.real(d), tf.math.imag(d)])

    step = tf.reduce_min(size / [height, width])
    corner = (size - step * [height, width]) / 2 + step / 2 - 0.5
    central = tf.stack([step, tf.zeros_like(step), corner[1], corner[0]])

    # NaN where landmarks are not known, not finite where they all lie in one point.
    return tf.where(tf.reduce_all(tf.math.is_finite(aligned)), aligned, central)
