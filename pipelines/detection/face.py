"""Faces as a detector finds them, and which of them a photograph is of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Face(NamedTuple):
    """A face as a detector gives it, in pixels of the image it was given.

    Attributes:
        box: real array (4,), left, top, right and bottom.
        confidence: float, 0 … 1.
        landmarks: real array (5, 2), x and y of the viewer's left eye, right eye, nose, left and
            right corner of the mouth, integers at the centres of pixels.
    """

    box: NDArray[np.floating]
    confidence: float
    landmarks: NDArray[np.floating]


def main_face(faces: Sequence[Face], height: int, width: int) -> int:
    """The face that a photograph is of: the largest, unless a smaller one is more central.

    It has the largest product of its box's area and of one minus the distance of the box's centre
    from the photograph's, relative to half the diagonal.

    Args:
        faces: list of `Face`, not empty.
        height, width: size of the photograph, in the pixels of the boxes.

    Returns:
        The number of the face in the list.
    """
    left, top, right, bottom = np.array([face.box for face in faces], np.float64).T
    away = np.hypot(left + right - width + 1, top + bottom - height + 1) / np.hypot(height, width)
    return int(np.argmax((right - left) * (bottom - top) * (1 - away)))
