"""Cutting the part of a photograph that training looks at."""

import tensorflow as tf

from pipelines.faces.alignment import FRAME, face_frame
from pipelines.faces.sampling import sample

# How far around the frame of an aligned face is kept, in its heights and widths: regions of
# `regions.csv` reach 1/8 beyond it, and augmentation turns and shifts them.
MARGIN = 0.4

# Pixels to one of the frame, if the photograph has as many.
FINEST = 2.0

QUALITY = 95

# Pixels; where face and photograph hardly meet, something must be left.
SMALLEST = 16.0


def cut_face(image: tf.Tensor, landmarks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The surroundings of a face, upright, as a small JPEG file.

    Args:
        image: uint8 tensor (h, w, 3).
        landmarks: float32 tensor (5, 2), see `face_frame`; unknown ones become those that the face
            is expected to have.

    Returns:
        content: scalar string tensor, a JPEG file. It ends where the photograph ends, or `MARGIN`
            beyond the frame of the aligned face; the resolution is the photograph's, but at most
            `FINEST` times that of a crop of 112 x 96 pixels. A crop of it is interpolated twice,
            and a little softer than one of the photograph.
        landmarks: float32 tensor (5, 2), x and y in pixels of that image.
    """
    size = tf.shape(image)[:2]
    c, d, points = face_frame(landmarks, size)
    # All in the frame, x and y; what lies outside the photograph need not be kept.
    width, height = tf.unstack(tf.cast(size[::-1] - 1, tf.float64))
    zero = tf.zeros_like(width)
    corners = (tf.complex([zero, width, zero, width], [zero, zero, height, height]) - d) / c
    corners = tf.stack([tf.math.real(corners), tf.math.imag(corners)])
    across = tf.constant([FRAME[1] - 1.0, FRAME[0] - 1.0], tf.float64)
    first = tf.maximum(-MARGIN * across, tf.reduce_min(corners, axis=1))
    last = tf.minimum((1 + MARGIN) * across, tf.reduce_max(corners, axis=1))

    step = tf.maximum(1 / tf.abs(c), 1 / FINEST)
    shape = tf.cast(tf.maximum(tf.math.ceil((last - first) / step) + 1, SMALLEST), tf.int32)
    first = tf.complex(first[0], first[1])
    step = tf.cast(step, tf.complex128)
    cut = sample(image, c * step, c * first + d, shape[1], shape[0])
    cut = tf.cast(tf.round(tf.clip_by_value(cut, 0.0, 255.0)), tf.uint8)
    points = ((points - d) / c - first) / step
    landmarks = tf.stack([tf.math.real(points), tf.math.imag(points)], axis=-1)
    content = tf.io.encode_jpeg(cut, quality=QUALITY)
    return content, tf.cast(landmarks, tf.float32)
