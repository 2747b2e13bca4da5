"""Where a face is in its image: a similarity transform from five landmarks."""

import numpy as np
import tensorflow as tf

from pipelines.faces.frame import FRAME, TEMPLATE


def template(height: int, width: int) -> tf.Tensor:
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


def similarity(source: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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


def face_frame(landmarks: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
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


def expected_frame(size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What `face_frame` gives of a face of unknown landmarks that fills an image.

    Args:
        size: real tensor (2,), height and width of the image in pixels.
    """
    size = tf.cast(size, tf.float64)
    step = tf.reduce_min(size / FRAME)
    corner = (size - step * FRAME) / 2 + step / 2 - 0.5
    step, corner = tf.complex(step, tf.zeros_like(step)), tf.complex(corner[1], corner[0])
    return step, corner, step * tf.complex(*np.array(TEMPLATE).T) + corner
