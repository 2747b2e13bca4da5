"""Photographs that a set holds more than once, to the pixel."""

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.source import Faces


def equal_copies(
    source: Faces, photographs: NDArray, usable: NDArray[np.integer]
) -> dict[int, str]:
    """Images to leave out because the same photograph is there more than once.

    Args:
        source: source of faces.
        photographs: array (n,) of any type; images are equal where it is.
        usable: int array, numbers of the images to look at.

    Returns:
        Dict from the number of an image to the reason, in one line.
    """
    _, photograph, count = np.unique(photographs[usable], return_inverse=True, return_counts=True)
    repeated = count[photograph] > 1
    groups: dict[int, list[int]] = {}
    for i, number in zip(usable[repeated], photograph[repeated]):
        groups.setdefault(number, []).append(i)

    reasons = {}
    for group in groups.values():
        labels = source.labels[group]
        if len(set(labels)) == 1:
            for i in group[1:]:
                reasons[i] = f"the same photograph as {source.name(group[0])}"
            continue
        for i, label in zip(group, labels):
            other = group[np.argmax(labels != label)]
            reasons[i] = f"the same photograph as {source.name(other)}, of another identity"
    return reasons
