"""Boxes around faces: made square, and those dropped that overlap with a better one."""

import numpy as np
from numpy.typing import NDArray

# Boxes that are compared with all others at a time.
BLOCK = 256


def squares(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squares about the same centres, as large as the longer sides.

    Args:
        boxes: float array (n, 4), left, top, right and bottom.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return np.concatenate([corner, corner + longest], axis=1)


def overlapping_less(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    most: float,
    *,
    of_smaller: bool = False,
) -> NDArray[np.int64]:
    """Boxes that overlap no better one by more than a share.

    Unlike in the usual non-maximum suppression a box also falls to one that has fallen itself, as in
    the package mtcnn.

    Args:
        boxes: float array (n, 4), left, top, right and bottom.
        scores: float array (n,), higher for better ones.
        most: the share, of the area of both together.
        of_smaller: take the share of the area of the smaller one instead.

    Returns:
        Numbers of the boxes, best first; of equal scores, the last is taken for the best.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    left, top, right, bottom = boxes[order].T
    areas = (right - left) * (bottom - top)
    kept = np.ones(len(order), bool)
    for start in range(0, len(order), BLOCK):
        rows = slice(start, start + BLOCK)  # these, against all that are better
        better = slice(0, start + BLOCK)
        across = np.minimum(right[rows, None], right[better]) - np.maximum(left[rows, None], left[better])
        down = np.minimum(bottom[rows, None], bottom[better]) - np.maximum(top[rows, None], top[better])
        common = np.maximum(across, 0) * np.maximum(down, 0)
        if of_smaller:
            whole = np.minimum(areas[rows, None], areas[better])
        else:
            whole = areas[rows, None] + areas[better] - common
        over = common > most * whole
        kept[rows] = ~np.tril(over, start - 1).any(axis=1)
    return order[kept]
