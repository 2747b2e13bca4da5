"""Photographs of any size fitted into one square, and points carried there and back."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.faces.resizing import resized

# Fills the square beside and below the photograph; near 0 for networks that take -1 … 1.
GREY = 128


def letterbox(image: NDArray[np.uint8], size: int, turns: int = 0) -> NDArray[np.uint8]:
    """Turns an image and fits it into the upper left corner of a square.

    Its longest side becomes that of the square, whether it is reduced or enlarged for that.

    Args:
        image: uint8 array (height, width, 3).
        size: side of the square in pixels.
        turns: quarter turns to the left, applied after fitting.

    Returns:
        uint8 array (size, size, 3).
    """
    height, width = image.shape[:2]
    fitted = resized(image, *fitted_size(height, width, size), area=max(height, width) > size)
    fitted = np.rot90(np.rint(fitted).astype(np.uint8), turns)
    square = np.full((size, size, 3), GREY, np.uint8)
    square[: fitted.shape[0], : fitted.shape[1]] = fitted
    return square


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
    # Rounded up, so that no side is 0.
    return -(-side * size // longest)


def _turned(points, height, width, turns):
    """Where points of an image (height, width) are after quarter turns to the left."""
    points = np.asarray(points, np.float64)
    for _ in range(turns % 4):
        x, y = points[..., 0], points[..., 1]
        points = np.stack([y, width - 1 - x], -1)
        height, width = width, height
    return points
