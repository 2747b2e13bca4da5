"""How many weights a layer keeps, and each of its neurons."""

from __future__ import annotations

import numbers
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray


def number_kept(density: float | Fraction, size: int, block: int = 1) -> int:
    """round(density * size / block), the number of weights (or blocks) that are kept.

    Raises:
        ValueError: if the density is not in (0, 1] or the block is not a positive integer.
    """
    if not 0 < density <= 1:
        raise ValueError(f"the density, the fraction kept, must lie in (0, 1], got {density}")
    if not isinstance(block, numbers.Integral) or block < 1:
        raise ValueError(f"block must be a positive integer, got {block!r}")
    return round(density * size / block)


def check_divides(block, shape):
    """Raises ValueError if a block does not divide the inputs, the last axis but one."""
    if shape[-2] % block:
        raise ValueError(
            f"block={block} does not divide the input axis of {shape[-2]} (shape {shape})"
        )


def even_budgets(
    total: int, capacities: ArrayLike, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Divides a total as evenly as the capacities allow.

    Args:
        total: integer, at most the sum of the capacities.
        capacities: integer array of any shape.
        rng: decides which of those that have room get one more.

    Returns:
        int64 array of that shape whose sum is `total`.
    """
    flat = np.reshape(capacities, -1).astype(np.int64)
    # The highest level to which all can be filled: a sorted list is filled from its low end.
    low, high = 0, int(flat.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(flat, middle).sum() <= total:
            low = middle
        else:
            high = middle - 1
    budgets = np.minimum(flat, low)
    room = np.flatnonzero(flat > low)
    budgets[rng.permutation(room)[: total - budgets.sum()]] += 1
    return budgets.reshape(np.shape(capacities))


def check_enough(available, kept, block=1):
    """Raises ValueError if there are fewer weights, or blocks, than are to be kept."""
    if available < kept:
        what = "weights" if block == 1 else f"whole runs of {block} weights"
        raise ValueError(
            f"{kept} {what} are to be kept and the layer's mask has {available}: choose a smaller density."
        )
