"""Thresholds for rates of false accepts, also such as no test has enough pairs for."""

import dataclasses

import numpy as np
from scipy.stats import genpareto

# A rate counts as measured if so many false accepts were: then it is known to about a third.
LEAST = 10
# Of the highest impostor scores, how many the tail is fitted to: a thousandth, within these bounds.
SHARE, FEWEST, MOST = 1e-3, 50, 5000


@dataclasses.dataclass(frozen=True)
class Tail:
    """The upper end of a distribution of impostor scores.

    Above a high threshold u almost every distribution looks like a generalised Pareto one
    (Pickands, Balkema, de Haan):

        P(score ≥ t) = P(score ≥ u) (1 + ξ (t - u) / σ)^(-1/ξ).

    Attributes:
        start: u.
        rate: P(score ≥ u), as counted.
        shape, scale: ξ and σ, of greatest likelihood.
    """

    start: float
    rate: float
    shape: float
    scale: float

    @classmethod
    def of(cls, impostor):
        """The tail of impostor scores, a float array (n,), ascending.

        Raises:
            ValueError: if there are too few, or the highest are all equal.
        """
        if len(impostor) < 2 * FEWEST:
            raise ValueError(
                f"{len(impostor)} pairs of different people are too few: at least {2 * FEWEST}."
            )
        count = int(np.clip(SHARE * len(impostor), FEWEST, MOST))
        start = float(impostor[-1 - count])
        above = impostor[-count:].astype(np.float64) - start
        if not above.any():
            raise ValueError(f"The {count} highest scores of different people are all equal.")
        shape, _, scale = genpareto.fit(above, floc=0)
        return cls(start, count / len(impostor), float(shape), float(scale))

    def threshold(self, far):
        """The score that impostors reach at a rate, at most `rate`."""
        return self.start + float(genpareto.isf(far / self.rate, self.shape, scale=self.scale))

    def rate_at(self, score):
        """The share of impostors that reach a score, from `start` on; 0 beyond the tail's end."""
        return self.rate * float(genpareto.sf(score - self.start, self.shape, scale=self.scale))
