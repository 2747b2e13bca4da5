"""Bringing faces into one position by a similarity transform from five landmarks."""

import math

import numpy as np
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

# Height and width of the frame that those points are in.
FRAME = (112, 96)

# Below this scale the source is reduced before it is sampled bilinearly, which would otherwise
# skip pixels.
PREFILTER_BELOW = 0.6

# So little tilt, in pixels of the image, is none.
UPRIGHT = 0.01


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


def face_frame(landmarks, size):
    """Where a face is in its image: the frame of an aligned face, and the landmarks.

    The frame is that of a crop of 112 x 96 pixels. Without landmarks the face is taken as roughly
    aligned already: the frame is the largest central part of its shape, the landmarks are those
    of the template.

    Args:
        landmarks: float tensor (5, 2), x and y in pixels, integers at the centres of pixels; not
            known where any is NaN.
        size: integer tensor (2,), height and width of the image in pixels.

    Returns:
        c, d: complex128 scalars; point z = x + iy of the frame is point c z + d of the image.
        points: complex128 tensor (5,), the landmarks in the image.
    """
    height, width = FRAME
    a, b = similarity(landmarks, template(height, width))
    c, d = 1 / a, -b / a

    def as_detected():
        return c, d, tf.complex(*tf.unstack(tf.cast(landmarks, tf.float64), axis=-1))

    # NaN where landmarks are not known, not finite where they all lie in one point.
    known = tf.math.is_finite(tf.abs(c) + tf.abs(d))
    return tf.cond(known, as_detected, lambda: expected_frame(size))


def expected_frame(size):
    """What `face_frame` gives of a face of unknown landmarks that fills an image.

    Args:
        size: real tensor (2,), height and width of the image in pixels.
    """
    size = tf.cast(size, tf.float64)
    step = tf.reduce_min(size / FRAME)
    corner = (size - step * FRAME) / 2 + step / 2 - 0.5
    step, corner = tf.complex(step, tf.zeros_like(step)), tf.complex(corner[1], corner[0])
    return step, corner, step * tf.complex(*np.array(TEMPLATE).T) + corner


def sample(image, c, d, height, width, *, mirrored=False, grey=False):
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

    # The first column belongs to x, which runs from the other side of a mirrored crop.
    across = matrix[:, 0] * tf.cast(mirrored, tf.float64)
    last = tf.cast(tf.stack([width - 1, height - 1]), tf.float64)
    matrix += tf.stack([-2 * across, tf.zeros_like(across), across * last[0]], axis=1)

    def tilted():
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=source[None],
            transforms=tf.cast(tf.pad(tf.reshape(matrix, (1, 6)), [(0, 0), (0, 2)]), tf.float32),
            output_shape=tf.stack([height, width]),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )

    def upright():
        # Three times as fast. It has no values between an image's last pixel and what is outside:
        # there they are made by a border of zeros.
        padded = tf.pad(source, [(1, 1), (1, 1), (0, 0)])
        first = matrix[:, 2] + 1
        ends = tf.stack([first, first + tf.linalg.diag_part(matrix) * last])
        ends /= tf.cast(tf.shape(padded)[1::-1] - 1, tf.float64)
        box = tf.cast(tf.reshape(tf.reverse(ends, [1]), (1, 4)), tf.float32)
        return tf.image.crop_and_resize(padded[None], box, [0], tf.stack([height, width]))

    tilt = tf.abs(matrix[0, 1]) * tf.reduce_max(last)  # in pixels, from one side to the other
    crop = tf.cond(tilt < UPRIGHT, upright, tilted)[0]
    # All of the shape is stated: a training step compiled for an unknown number of channels is a
    # fifth slower.
    known = [None if tf.is_tensor(side) else side for side in (height, width)]
    return tf.ensure_shape(crop, (*known, source.shape[-1]))


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
