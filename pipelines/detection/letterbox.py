"""Photographs of any size fitted into one square, and points carried there and back."""

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

# Fills the square beside and below the photograph; near 0 for networks that take -1 … 1.
GREY = 128


def letterbox(image: tf.Tensor, size: int, turns: int | tf.Tensor = 0) -> tf.Tensor:
    """Turns an image and fits it into the upper left corner of a square.

    Its longest side becomes that of the square, whether it is reduced or enlarged for that.

    Args:
        image: uint8 tensor (height, width, 3).
        size: side of the square in pixels.
        turns: scalar integer, quarter turns to the left, applied after fitting.

    Returns:
        uint8 tensor (size, size, 3).
    """
    sides = tf.cast(tf.shape(image)[:2], tf.int64)
    longest = tf.reduce_max(sides)
    fitted = tf.cast(_fitted(sides, longest, size), tf.int32)
    # The area method reads uint8 as it is: a large photograph never becomes floating point.
    image = tf.cond(
        longest > size,
        lambda: tf.image.resize(image, fitted, method="area"),
        lambda: tf.image.resize(image, fitted),
    )
    image = tf.cast(tf.round(image), tf.uint8)
    image = tf.image.rot90(image, tf.cast(turns, tf.int32) % 4)
    below, beside = tf.unstack(size - tf.shape(image)[:2])
    image = tf.pad(image, [[0, below], [0, beside], [0, 0]], constant_values=GREY)
    return tf.ensure_shape(image, (size, size, 3))


def fitted_size(height: int, width: int, size: int, turns: int = 0) -> tuple[int, int]:
    """Height and width, in pixels of the square, of what `letterbox` makes of an image."""
    longest = max(height, width)
    sides = _fitted(height, longest, size), _fitted(width, longest, size)
    return sides[::-1] if turns % 2 else sides


def to_stored(
    points: ArrayLike, height: int, width: int, size: int, turns: int = 0
) -> NDArray[np.float64]:
    """Points of the square in pixels of the stored image.

    Args:
        points: real array (..., 2), x and y in pixels of the square.
        height, width: size of the stored image.
        size, turns: those given to `letterbox`.

    Returns:
        float64 array (..., 2), x and y in pixels of the stored image; integers are at the centres
        of pixels, here as there.
    """
    fitted = _turned(points, *fitted_size(height, width, size, turns), -turns)
    fitted_height, fitted_width = fitted_size(height, width, size)
    return (fitted + 0.5) * [width / fitted_width, height / fitted_height] - 0.5


def from_stored(
    points: ArrayLike, height: int, width: int, size: int, turns: int = 0
) -> NDArray[np.float64]:
    """Points of the stored image in pixels of the square; the inverse of `to_stored`."""
    fitted_height, fitted_width = fitted_size(height, width, size)
    scale = [fitted_width / width, fitted_height / height]
    stored = np.asarray(points, np.float64)
    return _turned((stored + 0.5) * scale - 0.5, fitted_height, fitted_width, turns)


def _fitted(side, longest, size):
    # Integers only, so that numbers and tensors give the same; rounded up, so that no side is 0.
    return -(-side * size // longest)


def _turned(points, height, width, turns):
    """Where points of an image (height, width) are after quarter turns to the left."""
    points = np.asarray(points, np.float64)
    for _ in range(turns % 4):
        x, y = points[..., 0], points[..., 1]
        points = np.stack([y, width - 1 - x], -1)
        height, width = width, height
    return points
