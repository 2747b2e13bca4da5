"""What is behind the head."""

import tensorflow as tf

CLUTTER = 9  # cells along a side


def clutter(key, size):
    """A background of soft random patches, (3, size, size)."""
    draws = tf.random.stateless_uniform([4, CLUTTER, CLUTTER + 1], key)
    # Mostly light and dark around one colour, with some colour of their own.
    colour, tone, hue = draws[:3, :1, -1:], draws[3, :, :-1], draws[:3, :, :-1]
    cells = 0.4 * colour + 0.55 * tone + 0.3 * (hue - 0.5)
    # Piecewise linear interpolation along both axes is a product with a constant matrix.
    position = tf.linspace(0.0, CLUTTER - 1.0, size)[:, None]
    stretch = tf.maximum(1.0 - tf.abs(position - tf.range(CLUTTER, dtype=tf.float32)), 0.0)
    return tf.matmul(tf.matmul(stretch, cells), stretch, transpose_b=True)
