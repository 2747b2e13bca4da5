"""95 % intervals by bootstrap: over folds or trials, or over identities.

Images of one person resemble each other, and a person stands in many pairs, so pairs are not
independent: what is drawn anew, with replacement, are people. The intervals are those of
percentiles. With the ten folds of LFW they are narrow by about a tenth, as ten values say no
more of their spread.
"""

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95
RESAMPLES = 2000
_BLOCK = 100  # resamples at a time: with 6,000 pairs some 20 MB


def interval_of_mean(values: ArrayLike, seed: int = 0) -> tuple[float, float] | None:
    """Interval of a mean.

    Args:
        values: floats (n,), such as the accuracies of folds.
        seed: integer.

    Returns:
        (low, high), or None for a single value.
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(len(numbers), size=(RESAMPLES, len(numbers)))
    return _percentiles(numbers[drawn].mean(1))


def interval_of_share(
    right: ArrayLike, identities: ArrayLike, seed: int = 0
) -> tuple[float, float] | None:
    """Interval of the share of correct answers, over identities.

    Args:
        right: bool or float array (n,), whether each is; weights of ±1 and 0 give that of a difference.
        identities: integer array (n,) or, for pairs, (n, 2): whom each answer is about.
        seed: integer.

    Returns:
        (low, high), or None for answers about a single identity.
    """
    values = np.asarray(right, np.float64)
    shares = []
    for weights in _weights(identities, seed):
        total = weights.sum(1)
        shares.append(weights[total > 0] @ values / total[total > 0])
    return _percentiles(np.concatenate(shares)) if shares else None


def intervals_of_roc(scores, same, identities, fars, seed=0):
    """Intervals of a ROC's numbers, over identities.

    Args:
        scores: float array (p,) of pairs.
        same: bool array (p,).
        identities: integer array (p, 2), of both images.
        fars: false accept rates, a sequence.
        seed: integer.

    Returns:
        Dict with "auc", "eer" and each of `fars` for the TAR there, of (low, high); empty if all
        pairs are of one identity.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    same, identities = np.asarray(same, bool)[order], np.asarray(identities)[order]
    # A corner of the ROC stands behind the last of equal scores.
    last = np.flatnonzero(np.append(np.diff(np.asarray(scores)[order]), 1))
    found = {"auc": [], "eer": [], **{far: [] for far in fars}}
    for weights in _weights(identities, seed):
        tar = np.cumsum(np.where(same, weights, 0), 1)[:, last]
        far = np.cumsum(np.where(same, 0, weights), 1)[:, last]
        whole = (tar[:, -1] > 0) & (far[:, -1] > 0)
        genuine, impostors = tar[whole, -1:], far[whole, -1:]
        start = np.zeros((whole.sum(), 1))
        tar = np.concatenate([start, tar[whole] / genuine], 1)
        far = np.concatenate([start, far[whole] / impostors], 1)
        found["auc"].append(np.trapezoid(tar, far, axis=1))
        found["eer"].append([np.interp(0, f + t - 1, f) for f, t in zip(far, tar)])
        for asked in fars:
            # The corner farthest right that keeps to the rate, of those the highest.
            place = (far <= asked + 1e-12).sum(1) - 1
            found[asked].append(np.take_along_axis(tar, place[:, None], 1)[:, 0])
    if not found["auc"]:
        return {}
    return {name: _percentiles(np.concatenate(values)) for name, values in found.items()}


def _weights(identities, seed):
    """How often each answer counts when identities are drawn with replacement.

    Yields:
        float64 arrays (some, n), `RESAMPLES` rows in all; nothing if there is one identity. A pair
        of two people counts as often as the one is drawn times the other, one of the same person
        as often as that is drawn.
    """
    identities = np.asarray(identities)
    pairs = identities.reshape(len(identities), -1)
    people, number = np.unique(pairs, return_inverse=True)
    number = number.reshape(pairs.shape)
    if len(people) < 2:
        return
    random = np.random.default_rng(seed)
    two = number[:, 0] != number[:, -1]
    for _ in range(0, RESAMPLES, _BLOCK):
        drawn = random.multinomial(len(people), np.full(len(people), 1 / len(people)), _BLOCK)
        weights = drawn[:, number[:, 0]].astype(np.float64)
        weights[:, two] *= drawn[:, number[two, -1]]
        yield weights


def _percentiles(values):
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
