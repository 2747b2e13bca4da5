"""How many weights each neuron keeps."""

import numpy as np


def even_budgets(total, capacities, rng):
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
            f"{kept} {what} are to be kept and the layer's mask has {available}: choose a smaller S."
        )
