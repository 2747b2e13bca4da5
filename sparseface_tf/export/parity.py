"""Whether an exported file computes what the network computes."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Parity:
    """How far the features of a file are from the network's.

    Attributes:
        images: how many were compared.
        cosine: mean of the cosines between the two features of an image.
        worst_cosine: the smallest one.
        largest_error: largest difference of an entry.
        largest_value: largest entry of the network's features, to compare the error with.
    """

    images: int
    cosine: float
    worst_cosine: float
    largest_error: float
    largest_value: float

    def __str__(self) -> str:
        return (
            f"cosine {self.cosine:.6f} (worst of {self.images} images {self.worst_cosine:.6f}), "
            f"largest error {self.largest_error:.2g} where features reach {self.largest_value:.2g}"
        )


def compare(expected: NDArray[np.floating], found: NDArray[np.floating]) -> Parity:
    """Compares two sets of features.

    Args:
        expected: float array (n, d), the network's.
        found: float array (n, d), the file's.

    Returns:
        `Parity`.

    Raises:
        ValueError: if the shapes differ, or features of the file are not finite.
    """
    if expected.shape != found.shape:
        raise ValueError(f"the file gives {found.shape}, the network {expected.shape}")
    bad = np.flatnonzero(~np.isfinite(found).all(1))
    if len(bad):
        raise ValueError(f"the file gives features that are not finite for {len(bad)} images")
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    lengths = np.linalg.norm(expected, axis=1), np.linalg.norm(found, axis=1)
    product = lengths[0] * lengths[1]
    cosines = np.divide((expected * found).sum(1), product, where=product > 0, out=0 * product)
    # A ReLU may leave nothing; then both should.
    cosines[(lengths[0] == 0) & (lengths[1] == 0)] = 1
    return Parity(
        len(expected),
        float(cosines.mean()),
        float(cosines.min()),
        float(np.abs(expected - found).max()),
        float(np.abs(expected).max()),
    )
