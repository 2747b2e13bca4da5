"""Rates of a verification test: ROC, AUC, EER, TAR at a FAR.

A pair is accepted where score >= threshold. FAR is the share of the impostor pairs that are
accepted, TAR that of the genuine ones. Everything is computed from the two sorted sets of scores,
and exact: scikit-learn's `roc_curve` and `roc_auc_score` give the same, but need some ten arrays of
8 bytes a score on the way, which the 50 million pairs of BLUFR do not leave room for.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from sklearn.metrics import auc as area


class Scores(NamedTuple):
    """Scores of a test, sorted; made by `Scores.of`.

    Attributes:
        genuine: float array, ascending, of the pairs of the same identity.
        impostor: float array, ascending, of those of different ones.
    """

    genuine: np.ndarray
    impostor: np.ndarray

    @classmethod
    def of(cls, scores, same):
        """From scores (n,) and whether each pair is of the same identity, bool (n,)."""
        scores, same = np.asarray(scores), np.asarray(same, bool)
        if scores.dtype.kind != "f":
            scores = scores.astype(np.float64)
        return cls.sorting(scores[same], scores[~same])

    @classmethod
    def sorting(cls, genuine, impostor):
        """From both kinds apart, which are sorted in place: no copy of large arrays.

        Raises:
            ValueError: if there is none of a kind, or a score is not finite.
        """
        for kind, scores in (("the same", genuine), ("different", impostor)):
            if not len(scores):
                raise ValueError(f"There is no pair of {kind} identities: rates need both kinds.")
            scores.sort()
            # NaN is sorted to the end, infinities to either end.
            if not np.isfinite(scores[[0, -1]]).all():
                raise ValueError("Some similarity scores are not finite: the model is broken.")
        return cls(genuine, impostor)


class Roc(NamedTuple):
    """The corners of a ROC, from (0, 0) to (1, 1).

    Attributes:
        far, tar: float64 arrays (n,), ascending.
        thresholds: float array (n,), descending, the first is infinite; a corner is where scores
            from its threshold on are accepted.
    """

    far: np.ndarray
    tar: np.ndarray
    thresholds: np.ndarray


@dataclasses.dataclass(frozen=True)
class Rate:
    """A rate of true accepts, or of correct identifications, at a given rate of false ones.

    Attributes:
        far: the rate of false accepts asked for.
        rate: that of the true ones.
        threshold: scores from here on are accepted.
        false_accepts: number of impostors that are.
        impostors: number of all impostors; below 1 / far of them the rate is that without any
            false accept.
    """

    far: float
    rate: float
    threshold: float
    false_accepts: int
    impostors: int


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of a curve of rates over FAR (or FPIR), as tuples of floats."""

    far: tuple
    rate: tuple


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Numbers of scores between neighbouring edges, of which there is one more."""

    edges: tuple
    genuine: tuple
    impostor: tuple


def roc(scores):
    """The corners of the ROC, exactly.

    The ROC goes up only at genuine scores; between two of them it is level. So it has two corners
    for each different genuine score, whatever the number of impostors. Where a genuine and an
    impostor score are equal, it rises aslant, as everywhere in the literature.

    Args:
        scores: `Scores`.

    Returns:
        `Roc`.
    """
    genuine, impostor = scores
    values = np.unique(genuine)[::-1]
    above = np.nextafter(values, np.array(np.inf, values.dtype))
    # For each value the corner just above it, and the one with it.
    thresholds = np.stack([above, values], 1).ravel()
    far, tar = (accepted(kind, thresholds) / len(kind) for kind in (impostor, genuine))
    ends = np.array([np.inf]), np.array([min(impostor[0], genuine[0])])
    return Roc(
        np.concatenate([[0], far, [1]]),
        np.concatenate([[0], tar, [1]]),
        np.concatenate([ends[0], thresholds, ends[1]]),
    )


def auc(curve):
    """Area under a `Roc`: the chance that a genuine pair scores higher; equal ones count half."""
    return float(area(curve.far, curve.tar))


def eer(curve):
    """Equal error rate of a `Roc`, where FAR = 1 - TAR.

    At finite samples the two rates jump past each other; it is then where the straight line
    between the two corners meets FAR = 1 - TAR.
    """
    return float(np.interp(0, curve.far + curve.tar - 1, curve.far))


def allowed(far, impostors):
    """Number of false accepts that a FAR allows, the largest whole one up to FAR · impostors."""
    if not 0 <= far < 1:
        raise ValueError(f"A false accept rate must be from 0 to below 1, got {far}.")
    # 0.29 · 100 is 28.999999999999996 in binary.
    return int(np.floor(np.round(far * impostors, 6)))


def threshold_at_far(impostor, far):
    """The lowest threshold that keeps to a FAR.

    With n impostors, k = floor(FAR · n) false accepts are allowed: the threshold is the next
    number above the (k + 1)-th highest impostor score. So the FAR is never above the one asked
    for, ties or not, nothing is interpolated, and with n < 1 / FAR nothing false is accepted.

    Args:
        impostor: float array (n,), ascending.
        far: the rate, from 0 to below 1.

    Returns:
        The threshold, a float; exact in the type of the scores.
    """
    highest = impostor[-1 - allowed(far, len(impostor))]
    return float(np.nextafter(highest, np.array(np.inf, impostor.dtype)))


def accepted(scores, threshold):
    """How many of ascending scores are not below each threshold, integers of its shape."""
    # In the scores' type: with another one NumPy would convert all scores first.
    return len(scores) - np.searchsorted(scores, np.asarray(threshold, scores.dtype))


def rate_at(genuine, impostor, far, threshold):
    """The `Rate` for ascending scores at a given threshold."""
    return Rate(
        far=float(far),
        rate=float(accepted(genuine, threshold) / len(genuine)),
        threshold=float(threshold),
        false_accepts=int(accepted(impostor, threshold)),
        impostors=len(impostor),
    )


def tar_at_far(scores, far):
    """TAR at a FAR, a `Rate`; for the threshold see `threshold_at_far`."""
    return rate_at(*scores, far, threshold_at_far(scores.impostor, far))


def far_grid(impostors, points=200):
    """FARs to draw at: 0, then evenly on a logarithmic axis from one false accept to below 1."""
    grid = np.geomspace(1 / impostors, 1, points)
    return np.concatenate([[0], grid[grid < 1]])


def tar_curve(scores, far=None, threshold=threshold_at_far):
    """TAR over FAR for plots, a `Curve` that ends in (1, 1).

    Args:
        scores: `Scores`.
        far: rates below 1; default: `far_grid` of the impostors.
        threshold: function of ascending impostor scores and a FAR.
    """
    far = far_grid(len(scores.impostor)) if far is None else np.asarray(far)
    rates = [rate_at(*scores, x, threshold(scores.impostor, x)).rate for x in far]
    return Curve((*far.tolist(), 1.0), (*rates, 1.0))


def mean_curve(curves):
    """Mean of `Curve`s at the same FARs: that over folds, trials or splits."""
    rates = np.mean([curve.rate for curve in curves], axis=0)
    return Curve(curves[0].far, tuple(rates.tolist()))


def histogram(scores, bins=100):
    """`Histogram` of both kinds between the lowest and the highest score."""
    low, high = (f(kind[at] for kind in scores) for f, at in ((min, 0), (max, -1)))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts = []
    for kind in scores:
        at = np.searchsorted(kind, edges.astype(kind.dtype), "left")
        at[0], at[-1] = 0, len(kind)
        counts.append(tuple(np.diff(at).tolist()))
    return Histogram(tuple(edges.tolist()), *counts)
