"""Sampling the connections to keep (Sec. 4.1): the dropping matrix D of Table 2."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.sparsify.budgets import (
    check_divides,
    check_enough,
    even_budgets,
    number_kept,
)

# Weights that are ranked together: bounds the work space.
_GROUP = 2**21
# Fractional budgets are integers in units of 2**-_BITS of a weight, so that they add up exactly.
_BITS = 24


def sample_mask(
    correlations: ArrayLike,
    density: float | Fraction,
    *,
    layer_kind: str,
    lam: float = 0.75,
    block: int = 1,
    seed: int = 0,
    allowed: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """Samples the weights to keep, more of those between strongly correlated neurons.

    For every output neuron on its own (Sec. 4.1): the positive and, apart, the negative
    coefficients are ranked by |r|; of the density * K+ (density * K-) to keep a share lam is drawn
    at random without replacement from the upper half and the rest from the lower half.
    Convolutions: the same by the value of eq. 2, without a split by sign.

    What the paper leaves open: exactly round(density * |W|) weights are kept. A neuron gets
    floor(density * K) of them or one more, the neurons that get one more being drawn at random, and
    rounds its shares of signs and halves at random too, so that each share is met exactly in
    expectation. A share larger than its half spills over into the other half. Dead connections
    (correlation 0 or NaN) belong to neither sign and are drawn only where the live ones do not
    suffice.

    Args:
        correlations: float array; the last axis is the output neuron (or map):
            "dense": (K, units);
            "conv": (kernel_height, kernel_width, inputs, filters);
            "local": (P, K, filters), (out_height, out_width, K, filters), (P, kernel_height,
            kernel_width, inputs, filters) or (out_height, out_width, kernel_height,
            kernel_width, inputs, filters): a neuron is a position and a filter.
        density: the fraction kept, in (0, 1]; a float or a `fractions.Fraction`.
        layer_kind: "dense", "local" or "conv".
        lam: lambda, the share of the upper half, in [0, 1]; 0.5 is the paper's "random", 1 its
            "highest only".
        block: keeps whole runs of that many weights along the input axis, the last but one. A
            block is ranked by the mean of its |r|, its sign is that of the sum of its r. The
            number of weights kept is block * round(density * |W| / block).
        seed: integer seed; the same seed gives the same mask.
        allowed: boolean array of the same shape, the weights that may be kept (of a block, all
            must), such as those that an earlier mask has left; None for all. K is then the
            number of those, and a neuron with fewer of them than its share keeps them all.

    Returns:
        Boolean array of the same shape, true where a weight is kept.

    Raises:
        ValueError: for a density, lam, block or shape outside of the above, or if fewer weights
            are allowed than are to be kept.

    Example:

    >>> sample_mask(np.random.randn(1536, 512), 1 / 256, layer_kind="dense").sum()
    3072
    """
    correlations = np.asarray(correlations)
    positions, fan_in = _neurons(correlations.shape, layer_kind)
    if not 0 <= lam <= 1:
        raise ValueError(f"lam must lie in [0, 1], got {lam}")
    kept = number_kept(density, correlations.size, block)
    check_divides(block, correlations.shape)
    filters, fan_in = correlations.shape[-1], fan_in // block
    rng = np.random.default_rng(seed)
    scores = correlations.reshape(positions, fan_in * block, filters)
    excluded: Any = None
    capacities = np.full((positions, filters), fan_in)
    if allowed is not None:
        runs = np.reshape(allowed, (positions, fan_in, block, filters)).astype(bool)
        excluded = ~runs.all(axis=2)
        capacities = fan_in - excluded.sum(axis=1)
        check_enough(capacities.sum(), kept, block)
    budgets = even_budgets(kept, capacities, rng)
    mask = np.empty((positions, fan_in, filters), bool)
    for at in _groups(positions, fan_in * block, filters):
        mask[at] = _sample_group(
            _block_scores(scores[at], block),
            budgets[at[0], at[2]],
            lam,
            layer_kind != "conv",
            rng,
            None if excluded is None else excluded[at],
        )
    return np.repeat(mask, block, axis=1).reshape(correlations.shape)


def _groups(positions, fan_in, filters):
    """Parts (positions, inputs, filters) that are ranked together, as slices.

    Whole positions at once, or part of the filters of one where that is already much.
    """
    filter_step = max(1, min(filters, _GROUP // fan_in))
    position_step = max(1, _GROUP // (fan_in * filters))
    for p in range(0, positions, position_step):
        for f in range(0, filters, filter_step):
            yield slice(p, p + position_step), slice(None), slice(f, f + filter_step)


def _sample_group(scores, budgets, lam, signed, rng, excluded):
    """Samples the mask of some neurons, boolean (positions, K, filters).

    Args:
        scores: float array (positions, K, filters).
        budgets: integer array (positions, filters), what each neuron keeps.
        lam, signed, rng: see `_sample`.
        excluded: boolean array like the scores, what must not be kept; or None.
    """
    barred = None
    if excluded is not None:
        barred = excluded.transpose(0, 2, 1).reshape(-1, scores.shape[1])
        scores = np.where(excluded, 0, scores)
    rows = scores.transpose(0, 2, 1)
    chosen = _sample(
        rows.reshape(-1, scores.shape[1]), budgets.reshape(-1), lam, signed, rng, barred
    )
    return chosen.reshape(rows.shape).transpose(0, 2, 1)


def _neurons(shape, kind):
    """Number of positions with weights of their own, and number of inputs K of a neuron."""
    # How many leading axes are positions, for each number of axes.
    layouts = {"dense": {2: 0}, "conv": {4: 0}, "local": {3: 1, 4: 2, 5: 1, 6: 2}}
    if kind not in layouts:
        raise ValueError(f"layer_kind must be 'dense', 'local' or 'conv', got {kind!r}")
    if len(shape) not in layouts[kind] or 0 in shape:
        raise ValueError(f"the correlations of a {kind} layer cannot have the shape {shape}")
    split = layouts[kind][len(shape)]
    return math.prod(shape[:split]), math.prod(shape[split:-1])


def _block_scores(r, block):
    """(positions, K, filters) to (positions, K / block, filters): mean |r|, sign of the sum."""
    r = np.nan_to_num(r, nan=0.0)
    if block == 1:
        return r
    r = r.reshape(r.shape[0], -1, block, r.shape[2])
    return np.where(r.sum(axis=2) < 0, -1, 1) * np.abs(r).mean(axis=2)


def _sample(scores, budgets, lam, signed, rng, barred=None):
    """Samples budgets[i] entries of row i of the scores (neurons, K), none of the barred ones.

    Barred entries have the score 0, and a row has budgets[i] others at least.
    """
    strata, sizes = _strata(scores, signed)
    counts = _round(_shares(sizes, budgets, lam), rng)
    # A random order within each stratum, of which the first `counts` entries are kept. In a
    # sorted row the strata stand one after the other.
    chance = rng.random(strata.shape, np.float32)
    if barred is not None:
        # Behind all others of their stratum, the dead, of which so many are never needed.
        chance = (chance + barred) / 2
    order = np.argsort(strata + chance, axis=1)
    starts = np.cumsum(sizes, axis=1) - sizes
    kept = np.zeros(scores.shape, bool)
    place = np.arange(scores.shape[1])
    for stratum in range(sizes.shape[1]):
        start, count = starts[:, stratum, None], counts[:, stratum, None]
        kept |= (place >= start) & (place < start + count)
    mask = np.empty_like(kept)
    np.put_along_axis(mask, order, kept, axis=1)
    return mask


def _strata(scores, signed):
    """Divides the entries of each row into what is sampled together.

    The strata are, in this order: 0, 1 the upper and lower half of the positives, 2 the dead,
    3, 4 the lower and upper half of the negatives. Of an odd number the one in the middle counts
    as upper. Without signs every live entry counts as positive.

    Returns:
        The stratum of each entry (neurons, K) and their sizes (neurons, 5).
    """
    live = scores != 0
    # From the strongest positive down over the dead to the strongest negative.
    key = -scores if signed else np.where(live, -scores, np.inf)
    up = (scores > 0 if signed else live).sum(axis=1)
    down = live.sum(axis=1) - up
    dead = scores.shape[1] - up - down
    sizes = np.stack([up - up // 2, up // 2, dead, down // 2, down - down // 2], axis=1)
    place = np.arange(scores.shape[1])
    ends = np.cumsum(sizes, axis=1)
    ranked = np.zeros(scores.shape, np.int8)
    for stratum in range(4):
        ranked += place >= ends[:, stratum, None]
    strata = np.empty_like(ranked)
    np.put_along_axis(strata, np.argsort(key, axis=1), ranked, axis=1)
    return strata, sizes


def _shares(sizes, budgets, lam):
    """How many entries each row owes each stratum, in units of 2**-_BITS: (neurons, 5)."""
    one = 1 << _BITS
    up, down = sizes[:, 0] + sizes[:, 1], sizes[:, 3] + sizes[:, 4]
    live = np.minimum(budgets, up + down)
    # density * K+ and density * K-, and what the dead would have had on top.
    positive = live * one * up // np.maximum(up + down, 1)

    def halves(share, upper, lower):
        from_upper = np.rint(lam * share).astype(np.int64)
        # Spill-over: no more than the half holds, no less than the other one cannot hold.
        from_upper = np.clip(from_upper, share - lower * one, upper * one)
        return from_upper, share - from_upper

    up_upper, up_lower = halves(positive, sizes[:, 0], sizes[:, 1])
    down_upper, down_lower = halves(live * one - positive, sizes[:, 4], sizes[:, 3])
    dead = (budgets - live) * one
    return np.stack([up_upper, up_lower, dead, down_lower, down_upper], axis=1)


def _round(shares, rng):
    """Rounds shares to integers that keep each row's sum and, in expectation, each share.

    Systematic sampling: one random offset a row, and the steps of the cumulated shares that
    cross an integer.
    """
    offset = rng.integers(0, 1 << _BITS, size=(len(shares), 1))
    return np.diff((np.cumsum(shares, axis=1) + offset) >> _BITS, axis=1, prepend=0)
