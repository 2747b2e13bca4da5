"""Scores of sets of faces, such as videos and templates: the mean over all pairs of their faces.

The paper scores two videos so (Sec. 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm
from numpy.typing import ArrayLike, NDArray


def mean_scores(
    sets: Sequence[NDArray], pairs: NDArray, scorer: Any, title: str | None = None
) -> NDArray[np.float64]:
    """Mean score over all pairs of a face of one set and a face of the other, for pairs of sets.

    Args:
        sets: features of each set, float arrays (faces, d).
        pairs: int array (p, 2), numbers of sets.
        scorer: has `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m), symmetric.
        title: what a progress bar says in front; None for no bar.

    Returns:
        float64 array (p,).
    """
    # All partners of a set in one product: a scorer prepares the set's faces once then.
    order = np.argsort(pairs[:, 0], kind="stable")
    first, begins = np.unique(pairs[order, 0], return_index=True)
    scores = np.empty(len(pairs))
    groups = zip(first, np.split(order, begins[1:]))
    bar = tqdm.tqdm(
        groups, desc=title, total=len(first), unit="set", leave=False, disable=title is None
    )
    for one, rows in bar:
        partners = [sets[other] for other in pairs[rows, 1]]
        scores[rows] = _means(scorer, [sets[one]], partners)[0]
    return scores


class SetScorer:
    """Scores sets of faces in place of faces.

    Args:
        scorer: as of `mean_scores`.
        sets: features of each set, float arrays (faces, d).
    """

    def __init__(self, scorer: Any, sets: Sequence[NDArray]):
        self._scorer, self._sets = scorer, sets

    def score_matrix(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
        """Mean scores of sets, by their numbers: int (n,) and (m,) -> (n, m)."""
        return _means(self._scorer, *([self._sets[i] for i in np.asarray(x)] for x in (a, b)))


def _means(scorer, first, second):
    """Mean over the pairs of faces, of each set of one list with each of another."""
    sums = np.asarray(scorer.score_matrix(np.concatenate(first), np.concatenate(second)), np.float64)
    for axis, sets in enumerate((first, second)):
        lengths = np.array([len(each) for each in sets])
        sums = np.add.reduceat(sums, np.cumsum(lengths) - lengths, axis=axis)
        sums /= np.expand_dims(lengths, 1 - axis)
    return sums
