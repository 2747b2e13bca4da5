"""Which of two runs is right on more of the same pairs: McNemar's test."""

import dataclasses

import numpy as np
import scipy.stats

from sparseface_tf.evaluation.bootstrap import interval_of_share


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs on the same pairs.

    Attributes:
        first, second: names of the runs.
        only_first, only_second: number of pairs that one decides rightly and the other wrongly.
        both, neither: number of pairs that both decide rightly, or neither.
        difference: share of right decisions of the first less that of the second.
        interval: (low, high), 95 % of that difference, by bootstrap over identities.
        p_value: of McNemar's exact test, two-sided: how probable a difference as large as this is
            if both are right equally often. It is not corrected for the number of comparisons.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    both: int
    neither: int
    difference: float
    interval: tuple
    p_value: float


def compare(first, second, right, other_right, identities):
    """The `Comparison` of two runs on the same pairs.

    Args:
        first, second: names of the runs.
        right, other_right: bool arrays (p,), whether each decides the pair rightly.
        identities: integer array (p, 2), of both images.

    Raises:
        ValueError: if the two are not of the same pairs.
    """
    p_value = mcnemar(right, other_right)
    right, other_right = np.asarray(right, bool), np.asarray(other_right, bool)
    return Comparison(
        first=first,
        second=second,
        only_first=int((right & ~other_right).sum()),
        only_second=int((other_right & ~right).sum()),
        both=int((right & other_right).sum()),
        neither=int((~right & ~other_right).sum()),
        difference=float(right.mean() - other_right.mean()),
        interval=interval_of_share(right.astype(float) - other_right, identities),
        p_value=p_value,
    )


def mcnemar(right, other_right):
    """McNemar's exact test of two sets of decisions on the same pairs.

    Pairs that both decide alike say nothing of which is better; of the others, each run should be
    right on half if they are equally good, so that the test is a binomial one.

    Args:
        right, other_right: bool arrays (p,), whether each decides the pair rightly.

    Returns:
        The two-sided p-value, a float; 1 where they never differ.

    Raises:
        ValueError: if the two are not of the same pairs.
    """
    right, other_right = np.asarray(right, bool), np.asarray(other_right, bool)
    if right.shape != other_right.shape:
        raise ValueError(
            f"McNemar's test needs decisions on the same pairs, got {right.shape} and "
            f"{other_right.shape}."
        )
    only = int((right & ~other_right).sum())
    differ = int((right != other_right).sum())
    return float(scipy.stats.binomtest(only, differ).pvalue) if differ else 1.0
