"""Who faces are, of some people: one probability, and three grades by rates of false accepts."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from sparseface_tf.matching.gallery import top_k
from sparseface_tf.recognition.calibration import HIGHEST
from sparseface_tf.recognition.scoring import Scoring
from sparseface_tf.recognition.templates import Templates

NAMED, PROBABLY, UNKNOWN = "named", "probably", "unknown"
# False accepts that "probably" has for each one of "named".
LOOSER = 10
# Bisections of the threshold of a search: to 2⁻⁶⁰ of the range.
BISECTIONS = 60


@dataclasses.dataclass(frozen=True)
class Rule:
    """How it is decided who a face is.

    Attributes:
        far: rate of false accepts of a search for someone who is not among the people: that of the
            grade "named"; above 0, up to `HIGHEST`.
        prior: probability, beforehand, that a face is of someone among the people.
    """

    far: float
    prior: float = 0.5

    @property
    def probably_far(self) -> float:
        """The rate of "probably" and "named" together."""
        return min(LOOSER * self.far, HIGHEST)


@dataclasses.dataclass(frozen=True)
class Border:
    """Where a grade begins.

    Attributes:
        far: rate of searches for strangers that reach it.
        log_ratio: logarithm of the likelihood ratio from which on a face has the grade.
        probability: the same as a probability, under the rule's prior.
        measured: whether the rate was; else it is extrapolated.
    """

    far: float
    log_ratio: float
    probability: float
    measured: bool


@dataclasses.dataclass(frozen=True)
class Match:
    """What a search says of a face.

    Attributes:
        name: who it is, or is most like; None if there is nobody to search among.
        grade: `NAMED`, `PROBABLY` or `UNKNOWN`.
        probability: that it is this person.
        score: with this person's template.
        other: whom it reaches the border of `NAMED` with as well, the likeliest; or None.
        other_probability: that it is the other one.
    """

    name: str | None
    grade: str = UNKNOWN
    probability: float = 0.0
    score: float = -np.inf
    other: str | None = None
    other_probability: float = 0.0


class Search:
    """A search among people. Two faces are compared as by a search among one person.

    With r the likelihood ratio of the score with a person's template, G people and prior π, the
    probability that a face is this person is that of Bayes' rule, of this score alone:

        r w / (r w + 1 - w),   w = π / G.

    A grade begins at the ratio t that a search for a stranger reaches at a certain rate. With
    S_n(t) the rate at which templates of n photographs reach it by chance, and comparisons taken
    as independent, that is 1 - Π (1 - S_n(t)) over the people. As the probability grows with the
    ratio, a face with a higher probability never has a lower grade.

    Args:
        scoring: `Scoring`.
        people: `Templates`.
        rule: `Rule`.

    Attributes:
        people, rule: as given.
        named, probably: `Border`s of the two grades; None without people.
    """

    def __init__(self, scoring: Scoring, people: Templates, rule: Rule) -> None:
        self.people, self.rule, self._scoring = people, rule, scoring
        self.named: Border | None = None
        self.probably: Border | None = None
        if not len(people):
            return
        share = rule.prior / len(people)
        self._prior = np.log(share) - np.log1p(-share)
        self.named, self.probably = map(self._border, (rule.far, rule.probably_far))
        # A log-odds ratio is slope · (t · x + h(t) + h(x)) + intercept, the slope the template's:
        # an inner product with one more dimension, and an offset.
        vectors = scoring.scorer.transform(people.features)
        each = [scoring.calibration_of(n) for n in people.photographs.tolist()]
        slopes = np.array([one.slope for one in each])
        intercepts = np.array([one.intercept for one in each])
        offsets = scoring.scorer.offsets(vectors)
        scaled = np.concatenate([vectors * slopes[:, None], slopes[:, None]], axis=1)
        self._templates = scaled.astype(np.float32)
        self._offsets = (slopes * offsets + intercepts).astype(np.float32)

    def __call__(self, features: NDArray) -> list[Match]:
        """Who faces are.

        Args:
            features: float32 array (n, features).

        Returns:
            List of n `Match`.
        """
        if not len(features) or self.named is None or self.probably is None:
            return [Match(None) for _ in features]
        scorer = self._scoring.scorer
        vectors = scorer.transform(features)
        probes = np.concatenate([vectors, scorer.offsets(vectors)[:, None]], axis=1)
        ratios, who = top_k(
            probes, self._templates, min(2, len(self.people)), gallery_offsets=self._offsets
        )
        scores = scorer.score_pairs(features, self.people.features[who[:, 0]].astype(features.dtype))
        names = self.people.names
        matches = []
        for row, people, score in zip(ratios.astype(np.float64), who.tolist(), scores.tolist()):
            probability = self._probability(row).tolist()
            grade = NAMED if row[0] >= self.named.log_ratio else PROBABLY
            if row[0] < self.probably.log_ratio:
                grade = UNKNOWN
            match = Match(names[people[0]], grade, probability[0], score)
            if len(people) > 1 and row[1] >= self.named.log_ratio:
                match = dataclasses.replace(
                    match, other=names[people[1]], other_probability=probability[1]
                )
            matches.append(match)
        return matches

    def _probability(self, log_ratio):
        return np.exp(-np.logaddexp(0, -(self._prior + log_ratio)))

    def _border(self, far):
        """`Border` at a rate of searches."""
        sizes, counts = np.unique(self.people.photographs, return_counts=True)
        parts = [
            (self._scoring.calibration_of(n), count)
            for n, count in zip(sizes.tolist(), counts.tolist())
        ]

        def rates(log_ratio):
            return [calibration.rate_at(log_ratio)[0] for calibration, _ in parts]

        low = min(calibration.log_ratio(calibration.threshold[-1]) for calibration, _ in parts)
        high = low + 1.0
        while _of_search(rates(high), parts) > far:
            high += high - low
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if _of_search(rates(middle), parts) > far:
                low = middle
            else:
                high = middle
        measured = all(calibration.rate_at(high)[1] for calibration, _ in parts)
        return Border(far, float(high), float(self._probability(high)), measured)


def _of_search(rates, parts):
    """The rate of a search: that any of its comparisons reaches a threshold.

    Args:
        rates: of one comparison with a template of each kind.
        parts: as many pairs, of which the second is how many such templates there are.
    """
    return -np.expm1(sum(count * np.log1p(-rate) for rate, (_, count) in zip(rates, parts)))
