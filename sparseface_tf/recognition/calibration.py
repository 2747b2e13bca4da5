"""What a score means: probability of the same person, and thresholds at rates of false accepts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from sparseface_tf.evaluation.bootstrap import LEVEL, RESAMPLES
from sparseface_tf.evaluation.metrics import accepted, threshold_at_far
from sparseface_tf.recognition.tail import FEWEST, LEAST, Tail

# Impostor scores that the probability is learned from.
ENOUGH = 100_000
# Share of pairs of one person that the log-odds are fitted for: most comparisons of a search are of
# two, so that the high scores are what matters.
FITTED_PRIOR = 0.01
# scikit-learn's C: it keeps the slope finite where scores separate, and nothing else.
PENALTY = 1000.0
# Rates of false accepts that thresholds are kept for: so many in each power of ten.
STEPS = 20
HIGHEST = 0.1


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What the scores of one scorer, on the features of one network, mean.

    Attributes:
        slope, intercept: logarithm of the likelihood ratio, slope · score + intercept, by logistic
            regression weighted for a prior of `FITTED_PRIOR` (Brümmer and du Preez,
            "Application-independent evaluation of speaker detection", 2006).
        people, genuine, impostors: numbers of people and of pairs that it was learned from.
        tail: `Tail` of the impostor scores.
        far: float array (k,), ascending: measured rates of false accepts.
        threshold: float array (k,): scores from which on two faces are taken for the same at each.
        false_accepts: int array (k,): how many of the impostors are.
        far_low, far_high: float arrays (k,): 95 % interval of the rate at this threshold, by
            bootstrap over people.
        tar, tar_low, tar_high: float arrays (k,): share of genuine pairs accepted, with interval.
    """

    slope: float
    intercept: float
    people: int
    genuine: int
    impostors: int
    tail: Tail
    far: np.ndarray
    threshold: np.ndarray
    false_accepts: np.ndarray
    far_low: np.ndarray
    far_high: np.ndarray
    tar: np.ndarray
    tar_low: np.ndarray
    tar_high: np.ndarray

    @classmethod
    def of(
        cls, scores: ArrayLike, same: ArrayLike, identities: ArrayLike, seed: int = 0
    ) -> "Calibration":
        """Learns it from pairs of people that the network was not trained on.

        Args:
            scores: float array (p,), higher for more similar faces.
            same: bool array (p,), whether a pair is of one person.
            identities: integer array (p, 2), of both faces, from 0.
            seed: of the bootstrap.

        Raises:
            ValueError: if there are too few pairs, scores that are not finite, or scores that do
                not separate same from different.
        """
        all_scores, is_same = np.asarray(scores), np.asarray(same, bool)
        if not np.isfinite(all_scores).all():
            raise ValueError("Some scores are not finite: the network is broken.")
        genuine, impostor = np.sort(all_scores[is_same]), np.sort(all_scores[~is_same])
        if len(genuine) < LEAST:
            raise ValueError(f"{len(genuine)} pairs of one person are too few: at least {LEAST}.")
        tail = Tail.of(impostor)
        slope, intercept = _log_odds(genuine, impostor)
        far = far_steps(len(impostor))
        threshold = np.array([threshold_at_far(impostor, rate) for rate in far], np.float64)
        who = np.asarray(identities)
        people = np.flatnonzero(np.bincount(who.ravel()))
        number = np.searchsorted(people, who)
        (far_low, far_high), (tar_low, tar_high) = _intervals(
            all_scores, is_same, number, threshold, seed
        )
        return cls(
            slope=slope,
            intercept=intercept,
            people=len(people),
            genuine=len(genuine),
            impostors=len(impostor),
            tail=tail,
            far=far,
            threshold=threshold,
            false_accepts=accepted(impostor, threshold),
            far_low=far_low,
            far_high=far_high,
            tar=accepted(genuine, threshold) / len(genuine),
            tar_low=tar_low,
            tar_high=tar_high,
        )

    def log_ratio(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of how much likelier scores are of one person than of two."""
        return self.slope * np.asarray(scores, np.float64) + self.intercept

    def probability(self, scores: ArrayLike) -> NDArray[np.float64]:
        """That scores are of one person, where both answers are equally likely beforehand."""
        return np.exp(-np.logaddexp(0, -self.log_ratio(scores)))

    def rate_at(self, log_ratio: float) -> tuple[float, bool]:
        """The rate of false accepts of a comparison at a logarithm of the likelihood ratio.

        Between two measured rates it is interpolated, beyond the lowest read off the tail.

        Returns:
            rate: up to `HIGHEST`, also where it is above.
            measured: whether it was; else it is an extrapolation.
        """
        score = (log_ratio - self.intercept) / self.slope
        if score > self.threshold[0]:
            return min(float(self.far[0]), self.tail.rate_at(score)), False
        rates = np.log(self.far[::-1])
        rate = float(np.exp(np.interp(score, self.threshold[::-1], rates)))
        return min(rate, HIGHEST), True

    def threshold_at(self, far: float) -> tuple[float, bool]:
        """The score from which on two faces are taken for the same at a rate of false accepts.

        Measured rates are kept to: of the steps the one at or below. Lower ones are read off the
        tail that was fitted.

        Args:
            far: above 0, up to `HIGHEST`.

        Returns:
            threshold: float.
            measured: whether that rate was; else the threshold is an extrapolation.

        Raises:
            ValueError: for another rate.
        """
        if not 0 < far <= HIGHEST:
            raise ValueError(f"A false accept rate must be above 0, and {HIGHEST} at most: {far:g}.")
        step = np.searchsorted(self.far, far * (1 + 1e-9), "right") - 1
        if step >= 0:
            return float(self.threshold[step]), True
        beyond = min(far, self.tail.rate)
        return max(float(self.threshold[0]), self.tail.threshold(beyond)), False

    def to_arrays(self) -> dict[str, NDArray]:
        """Dict of arrays without objects."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["tail"] = dataclasses.astuple(self.tail)
        return {name: np.asarray(value) for name, value in fields.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Calibration":
        """The calibration that `to_arrays` was asked of.

        Raises:
            ValueError: if the arrays are none of a calibration.
        """
        values = {field.name: np.asarray(arrays[field.name]) for field in dataclasses.fields(cls)}
        scalars = ("slope", "intercept", "people", "genuine", "impostors")
        steps = values["far"].shape
        for name, value in values.items():
            shape = () if name in scalars else (4,) if name == "tail" else steps
            if value.dtype.kind not in "if" or value.shape != shape or not np.isfinite(value).all():
                raise ValueError(f"{name} is of type {value.dtype} and shape {value.shape}")
        if len(steps) != 1 or not len(values["far"]) or values["slope"] <= 0:
            raise ValueError("it has no rates")
        if (np.diff(values["far"]) <= 0).any() or (np.diff(values["threshold"]) > 0).any():
            raise ValueError("its rates are not in order")
        tail = Tail(*values["tail"].tolist())
        if not (0 < tail.rate <= 1 and tail.scale > 0):
            raise ValueError("its tail is of no distribution")
        known: dict[str, Any] = {**values, "tail": tail}
        known |= {name: values[name].item() for name in scalars}
        return cls(**known)


def enough(same: NDArray[np.bool_]) -> bool:
    """Whether pairs, of one person or not, are enough for a `Calibration`."""
    return int(same.sum()) >= LEAST and int((~same).sum()) >= 2 * FEWEST


def far_steps(impostors):
    """Rates of false accepts that so many impostors can measure, ascending; powers of ten exactly."""
    lowest = LEAST / impostors
    steps = int(np.floor(STEPS * np.log10(HIGHEST / lowest) + 1e-9))
    # Rounded, so that 0.001 is 0.001.
    return np.array([float(f"{HIGHEST * 10 ** (-k / STEPS):.9g}") for k in range(steps, -1, -1)])


def _log_odds(genuine, impostor):
    """Slope and intercept of the log likelihood ratio by logistic regression.

    Args:
        genuine, impostor: float arrays, ascending.
    """
    kinds = [
        kind[np.linspace(0, len(kind) - 1, min(ENOUGH, len(kind))).round().astype(int)]
        for kind in (impostor, genuine)
    ]
    x = np.concatenate(kinds).astype(np.float64)
    centre, spread = x.mean(), max(x.std(), np.finfo(np.float64).tiny)
    y = np.repeat([0, 1], [*map(len, kinds)])
    shares = np.array([1 - FITTED_PRIOR, FITTED_PRIOR]) * len(y) / [*map(len, kinds)]
    model = LogisticRegression(C=PENALTY).fit(((x - centre) / spread)[:, None], y, sample_weight=shares[y])
    slope = float(model.coef_[0, 0] / spread)
    if slope <= 0:
        raise ValueError(
            "Pairs of one person score no higher than pairs of different people: the network, or "
            "the faces' names, are wrong."
        )
    prior = np.log(FITTED_PRIOR) - np.log1p(-FITTED_PRIOR)
    return slope, float(model.intercept_[0] - slope * centre - prior)


def _intervals(scores, same, number, thresholds, seed):
    """95 % intervals of the rates at thresholds, by bootstrap over people.

    A person that is drawn w times stands for w people: a pair of two persons counts w1 w2 times,
    one of a single person w times. So for every threshold, with A the number of accepted pairs of
    each two people, the count is wᵀ A w.

    Args:
        scores, same: arrays (p,).
        number: integer array (p, 2), people counted from 0.
        thresholds: float array (k,), descending.
        seed: integer.

    Returns:
        ((far_low, far_high), (tar_low, tar_high)), float arrays (k,).
    """
    people = int(number.max()) + 1
    generator = np.random.default_rng(seed)
    shares = np.full(people, 1 / people)
    drawn = generator.multinomial(people, shares, RESAMPLES).astype(np.float64).T.copy()

    def of_two(rows):
        """How often some pairs count, in each resample: float64 (RESAMPLES,)."""
        a, b = number[rows].T
        table = scipy.sparse.csr_matrix((np.ones(len(a)), (a, b)), (people, people))
        return np.einsum("pr,pr->r", table @ drawn, drawn)

    def of_one(rows):
        return np.bincount(number[rows, 0], minlength=people) @ drawn

    ends = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    found = []
    for rows, count in ((~same, of_two), (same, of_one)):
        rows = np.flatnonzero(rows)
        total = count(rows)
        usable = total > 0
        # The first threshold that each reaches: pairs are counted there, and for all that follow.
        first = np.searchsorted(-thresholds, -scores[rows])
        order = np.argsort(first, kind="stable")
        ranges = np.searchsorted(first[order], np.arange(len(thresholds) + 1))
        parts = [count(rows[order[a:b]])[usable] for a, b in zip(ranges, ranges[1:])]
        rates = np.cumsum(parts, axis=0) / total[usable]
        found.append(np.quantile(rates, ends, axis=1))
    return tuple(map(tuple, found))
