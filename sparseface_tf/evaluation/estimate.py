"""A number that was measured several times."""

import dataclasses

import numpy as np

from sparseface_tf.evaluation.bootstrap import interval_of_mean


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Mean and spread of a number over folds, trials or splits.

    Attributes:
        mean: their mean.
        standard_deviation: with n - 1; 0 for a single value. What IJB-A's tables print behind ±.
        standard_error: of the mean, standard_deviation / sqrt(n). What LFW's tables print.
        values: the number in every fold, trial or split.
        interval: (low, high), 95 % of the mean by bootstrap over the values, or over whatever else
            `over` says; None where there is nothing to draw from.
        over: what the interval was drawn over, such as "10 folds".
    """

    mean: float
    standard_deviation: float
    standard_error: float
    values: tuple
    interval: tuple | None = None
    over: str = ""

    @classmethod
    def of(cls, values, parts="trials"):
        """The estimate from a sequence of numbers, at least one; `parts` says what of."""
        values = np.asarray(values, np.float64)
        deviation = values.std(ddof=1) if len(values) > 1 else 0.0
        return cls(
            mean=float(values.mean()),
            standard_deviation=float(deviation),
            standard_error=float(deviation / np.sqrt(len(values))),
            values=tuple(values.tolist()),
            interval=interval_of_mean(values),
            over=f"{len(values)} {parts}",
        )

    @property
    def below(self):
        """Mean minus standard deviation, the figure by which BLUFR ranks."""
        return self.mean - self.standard_deviation


@dataclasses.dataclass(frozen=True)
class RateEstimate:
    """A rate at a given rate of false accepts (FAR) or false alarms (FPIR), over several parts."""

    far: float
    rate: Estimate
