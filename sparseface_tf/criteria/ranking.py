"""Keeping an exact number of weights by their scores."""

import numpy as np

from sparseface_tf.sparsify.budgets import (
    check_divides,
    check_enough,
    even_budgets,
    number_kept,
)


def blocks_of(values, block):
    """Cuts an array into runs along its last axis but one.

    Args:
        values: array (..., inputs, outputs).
        block: weights in a run.

    Returns:
        A view (..., inputs / block, block, outputs).

    Raises:
        ValueError: if a block does not divide the inputs.
    """
    check_divides(block, values.shape)
    return values.reshape(*values.shape[:-2], -1, block, values.shape[-1])


def keep_largest(scores, density, *, allowed=None, block=1, per_neuron=False, rng):
    """Keeps the weights of the highest scores.

    Exactly block * round(density * |W| / block) weights are kept. NaN counts as the lowest score of
    all; among equal ones chance decides.

    Args:
        scores: float array (..., inputs, outputs). The score of a block is the sum of its own.
        density: the fraction kept, in (0, 1].
        allowed: boolean array of that shape, which weights may be kept (of a block, all must), or
            None for all.
        block: keeps whole runs of that many weights along the input axis.
        per_neuron: compare the inputs of each output neuron (an entry of all axes but those of
            its window) among themselves: an array (neurons' positions, K, outputs) is needed. A
            neuron keeps floor(density * K) of them or one more, fewer where it has not as many.
        rng: `numpy.random.Generator`.

    Returns:
        Boolean array of the same shape.

    Raises:
        ValueError: for a density, block or shape outside of the above, or if fewer weights are allowed
            than are to be kept.
    """
    scores = np.asarray(scores)
    kept = number_kept(density, scores.size, block)
    scores = _ranked(scores)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    scores = blocks_of(scores, block).sum(axis=-2)
    check_enough(np.count_nonzero(scores > -np.inf), kept, block)
    if per_neuron:
        budgets = even_budgets(kept, np.count_nonzero(scores > -np.inf, axis=1), rng)
        mask = _largest_of_rows(np.moveaxis(scores, 1, -1), budgets, rng)
        mask = np.moveaxis(mask, -1, 1)
    else:
        mask = largest(scores, kept, rng)
    return np.repeat(mask, block, axis=-2)


def largest(scores, number, rng):
    """Boolean array that is true at the `number` highest scores; chance decides between equals."""
    flat = scores.reshape(-1)
    if number == 0:
        return np.zeros(scores.shape, bool)
    threshold = np.partition(flat, flat.size - number)[flat.size - number]
    mask = flat > threshold
    equal = np.flatnonzero(flat == threshold)
    missing = number - np.count_nonzero(mask)
    if missing < len(equal):
        equal = rng.permutation(equal)[:missing]
    mask[equal] = True
    return mask.reshape(scores.shape)


def _largest_of_rows(scores, budgets, rng):
    """Keeps budgets[...] of the last axis of the scores."""
    # A stable sort of shuffled columns: chance decides between equals.
    shuffle = rng.permutation(scores.shape[-1])
    order = np.argsort(-scores[..., shuffle], axis=-1, kind="stable")
    mask = np.empty(scores.shape, bool)
    places = np.arange(scores.shape[-1]) < budgets[..., None]
    np.put_along_axis(mask, shuffle[order], np.broadcast_to(places, scores.shape), axis=-1)
    return mask


def _ranked(scores):
    """Scores without NaN and infinities, which sums could not hold: float32 or float64."""
    scores = np.asarray(scores)
    if not np.issubdtype(scores.dtype, np.floating) or scores.dtype.itemsize < 4:
        scores = scores.astype(np.float32)
    limit = np.finfo(scores.dtype).max / 2**16
    return np.clip(np.nan_to_num(scores, nan=-limit, posinf=limit, neginf=-limit), -limit, limit)
