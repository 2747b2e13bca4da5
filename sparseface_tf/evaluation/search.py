"""Searching probes in a gallery: ranks, CMC, and detection and identification rates."""

from typing import NamedTuple

import numpy as np

from sparseface_tf.evaluation.metrics import Curve, far_grid, rate_at, threshold_at_far

# Probes at a time; with a gallery of 5,000 images their scores are 20 MB.
_BLOCK = 1024


class Search(NamedTuple):
    """What a gallery answers to each probe.

    Attributes:
        rank: int64 array (n,), place of the probe's identity among those of the gallery, from 1;
            0 where it is not in the gallery. A tie counts against the probe.
        own: float array (n,), the best score with its own identity; -inf where there is none.
        best: float array (n,), the best score with anyone.
    """

    rank: np.ndarray
    own: np.ndarray
    best: np.ndarray

    @property
    def mated(self):
        """Whether the probe's identity is in the gallery, bool array (n,)."""
        return self.rank > 0


def search(scorer, gallery, gallery_labels, probes, probe_labels, block=_BLOCK):
    """Searches probes in a gallery, some at a time, so that memory stays small.

    Identities with several images in the gallery count with the best of them.

    Args:
        scorer: has `score_matrix(a, b)`, features (n, d) and (m, d) -> scores (n, m).
        gallery, probes: float arrays (images, features).
        gallery_labels, probe_labels: integer arrays (images,), identity of each.
        block: probes at a time.

    Returns:
        `Search`.

    Raises:
        ValueError: if either is empty, or a score is not finite.
    """
    if not len(gallery) or not len(probes):
        raise ValueError("A search needs a gallery and probes; one of them is empty.")
    order = np.argsort(gallery_labels, kind="stable")
    gallery = gallery[order]
    identities, starts = np.unique(np.asarray(gallery_labels)[order], return_index=True)
    column = np.searchsorted(identities, probe_labels).clip(max=len(identities) - 1)
    mated = identities[column] == probe_labels
    parts = []
    for start in range(0, len(probes), block):
        here = slice(start, start + block)
        scores = np.asarray(scorer.score_matrix(probes[here], gallery))
        if len(identities) < len(gallery):
            scores = np.maximum.reduceat(scores, starts, axis=1)
        own = np.take_along_axis(scores, column[here, None], 1)
        best = scores.max(1)
        # The maximum of scores of which one is NaN is NaN; -inf hides behind others.
        if not np.isfinite(best).all() or not np.isfinite(scores.min(1)).all():
            raise ValueError("Some similarity scores are not finite: the model is broken.")
        rank = (scores >= own).sum(1)  # the probe's own identity is one of them
        parts.append(
            (np.where(mated[here], rank, 0), np.where(mated[here], own[:, 0], -np.inf), best)
        )
    return Search(*map(np.concatenate, zip(*parts)))


def cmc(found, ranks):
    """Share of the mated probes whose identity is among the first 1, 2, … ranks.

    Args:
        found: `Search`.
        ranks: number of ranks.

    Returns:
        float64 array (ranks,).

    Raises:
        ValueError: if no probe's identity is in the gallery.
    """
    rank = found.rank[found.mated]
    if not len(rank):
        raise ValueError("No probe shows an identity of the gallery: there are no ranks.")
    return np.cumsum(np.bincount(rank, minlength=ranks + 1)[1 : ranks + 1]) / len(rank)


def detected(found, rank=None):
    """Scores by which open-set rates are counted.

    Args:
        found: `Search`.
        rank: a mated probe must be found at this rank or better; None for any.

    Returns:
        own: ascending float array, of every mated probe the score with its identity, -inf where
            that is found at a worse rank.
        best: ascending float array, of every other probe the best score: from it on there is a
            false alarm.

    Raises:
        ValueError: if there are no probes of either kind.
    """
    mated = found.mated
    if mated.all() or not mated.any():
        raise ValueError("An open-set test needs probes in the gallery and probes that are not.")
    own = found.own[mated]
    if rank is not None:
        own = np.where(found.rank[mated] <= rank, own, -np.inf)
    return np.sort(own), np.sort(found.best[~mated])


def dir_at_far(found, far, rank=1, threshold=threshold_at_far):
    """Detection and identification rate at a rate of false alarms.

    A mated probe counts if its identity is found at `rank` or better with a score from the
    threshold on; a false alarm is a probe of nobody in the gallery whose best score is.

    Args:
        found: `Search`.
        far: rate of false alarms (also FPIR), of the probes of nobody in the gallery.
        rank: None for any rank, which makes it the TPIR.
        threshold: function of ascending false alarm scores and `far`.

    Returns:
        `Rate`.
    """
    own, best = detected(found, rank)
    # -inf is of the same type as the scores, so a threshold of it still tells them apart.
    return rate_at(own, best, far, threshold(best, far))


def dir_curve(found, rank=1, far=None, threshold=threshold_at_far):
    """Detection and identification rate over false alarms for plots, a `Curve`.

    Args:
        found, rank, threshold: see `dir_at_far`.
        far: rates of false alarms below 1; default: `far_grid` of the probes of nobody in the
            gallery.
    """
    own, best = detected(found, rank)
    far = far_grid(len(best)) if far is None else np.asarray(far)
    rates = [rate_at(own, best, x, threshold(best, x)).rate for x in far]
    return Curve(tuple(far.tolist()), tuple(rates))
