"""Which of two runs decides more of the same pairs correctly: McNemar's test."""

import dataclasses

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from sparseface_tf.evaluation.bootstrap import interval_of_share


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs on the same pairs.

    Attributes:
        first, second: names of the runs.
        only_first, only_second: number of pairs that one decides correctly and the other does not.
        both, neither: number of pairs that both decide correctly, or neither.
        difference: share of correct decisions of the first less that of the second.
        interval: (low, high), 95 % of that difference, by bootstrap over identities; None for pairs of one.
        p_value: of McNemar's exact test, two-sided: how probable a difference as large as this is
            if both are correct equally often. It is not corrected for the number of comparisons.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    both: int
    neither: int
    difference: float
    interval: tuple[float, float] | None
    p_value: float


def compare(
    first: str, second: str, right: ArrayLike, other_right: ArrayLike, identities: ArrayLike
) -> Comparison:
    """The `Comparison` of two runs on the same pairs.

    Args:
        first, second: names of the runs.
        right, other_right: bool arrays (p,), whether each decides the pair correctly.
        identities: integer array (p, 2), of both images.

    Raises:
        ValueError: if the two are not of the same pairs.
    """
    p_value = mcnemar(right, other_right)
    one, other = np.asarray(right, bool), np.asarray(other_right, bool)
    return Comparison(
        first=first,
        second=second,
        only_first=int((one & ~other).sum()),
        only_second=int((other & ~one).sum()),
        both=int((one & other).sum()),
        neither=int((~one & ~other).sum()),
        difference=float(one.mean() - other.mean()),
        interval=interval_of_share(one.astype(float) - other, identities),
        p_value=p_value,
    )


def mcnemar(right: ArrayLike, other_right: ArrayLike) -> float:
    """McNemar's exact test of two sets of decisions on the same pairs.

    Pairs that both decide alike say nothing of which is better; of the others, each run should
    decide half correctly if they are equally good, so that the test is a binomial one.

    Args:
        right, other_right: bool arrays (p,), whether each decides the pair correctly.

    Returns:
        The two-sided p-value, a float; 1 where they never differ.

    Raises:
        ValueError: if the two are not of the same pairs.
    """
    one, other = np.asarray(right, bool), np.asarray(other_right, bool)
    if one.shape != other.shape:
        raise ValueError(
            f"McNemar's test needs decisions on the same pairs, got {one.shape} and "
            f"{other.shape}."
        )
    only = int((one & ~other).sum())
    differ = int((one != other).sum())
    return float(scipy.stats.binomtest(only, differ).pvalue) if differ else 1.0
