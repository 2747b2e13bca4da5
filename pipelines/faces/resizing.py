"""Images made smaller or larger with NumPy alone, to within rounding as TensorFlow does it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def resized(
    image: NDArray[Any], height: int, width: int, *, area: bool = False
) -> NDArray[np.float32]:
    """An image at another size, in float32.

    Args:
        image: real array (h, w, channels).
        height, width: of the result, in pixels.
        area: False weights pixels by a triangle, as `tf.image.resize` does with `antialias`; True
            averages the area that a pixel of the result covers, as its method "area" does.

    Returns:
        float32 array (height, width, channels).
    """
    # Rows one by one: a large photograph never becomes floating point as a whole.
    rows = np.empty((height, *image.shape[1:]), np.float32)
    for row, (start, weights) in zip(rows, _weights(image.shape[0], height, area)):
        part = image[start : start + len(weights)]
        np.einsum("n,nwc->wc", weights, part, out=row, dtype=np.float32, casting="unsafe")
    across = np.zeros((width, image.shape[1]), np.float32)
    for place, (start, weights) in zip(across, _weights(image.shape[1], width, area)):
        place[start : start + len(weights)] = weights
    return np.ascontiguousarray(np.tensordot(rows, across, (1, 1)).transpose(0, 2, 1))


def _weights(before, after, area):
    """For every pixel of a side, where the pixels that it is made of begin, and their weights."""
    scale = before / after
    for i in range(after):
        if area:
            begin, end = i * scale, (i + 1) * scale
            start, stop = int(begin), min(before, max(int(np.ceil(end)), int(begin) + 1))
            places = np.arange(start, stop)
            weights = np.minimum(places + 1, end) - np.maximum(places, begin)
        else:
            reach = max(scale, 1)
            centre = (i + 0.5) * scale
            start = max(0, int(np.floor(centre - reach)))
            places = np.arange(start, min(before, int(np.ceil(centre + reach))))
            weights = np.maximum(0, 1 - np.abs(places + 0.5 - centre) / reach)
        yield start, (weights / weights.sum()).astype(np.float32)
