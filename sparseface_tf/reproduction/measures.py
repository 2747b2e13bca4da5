"""Numbers that were measured once a seed, and what their spread allows to say."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.stats

from sparseface_tf.evaluation.bootstrap import LEVEL
from sparseface_tf.evaluation.comparison import compare

# Of the interval of a single seed.
OVER_PAIRS = "the pairs of one seed, bootstrap over identities"
OVER_IMAGES = "the images of one seed, bootstrap over identities"


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number over seeds.

    Attributes:
        values: dict from seed to the number, at least one.
        mean: of them.
        standard_error: of the mean, standard deviation (n - 1) / sqrt(n); None for one seed.
        interval: (low, high), 95 %: of Student's t over seeds; for one seed what its pairs or
            images allow to say, or None.
        over: what the interval is of, or "".
    """

    values: dict[Any, float]
    mean: float
    standard_error: float | None
    interval: tuple[float, float] | None
    over: str

    @classmethod
    def of(
        cls,
        values: Mapping,
        interval: tuple[float, float] | None = None,
        over: str = "",
        parts: str = "seeds",
    ) -> "Measure":
        """The measure from a dict of values by seed.

        Args:
            values: dict, at least one.
            interval, over: what is known of a single value.
            parts: what several are of, if not seeds.
        """
        numbers = np.asarray(list(values.values()), np.float64)
        mean, n, error = float(numbers.mean()), len(numbers), None
        if n > 1:
            error = float(numbers.std(ddof=1) / np.sqrt(n))
            half = float(scipy.stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
            interval, over = (mean - half, mean + half), f"{n} {parts}, Student's t"
        return cls(dict(values), mean, error, interval, over if interval else "")


@dataclasses.dataclass(frozen=True)
class Paired:
    """Two networks on the same pairs or images, over the seeds that both have.

    Attributes:
        first, second: names of the networks.
        comparisons: dict from seed to `sparseface_tf.evaluation.comparison.Comparison`.
        difference: `Measure` of the share of correct decisions of the first less the second's.
        chance: share of correct decisions of who does not look at the images.
    """

    first: str
    second: str
    comparisons: dict
    difference: Measure
    chance: float = 0.5

    @property
    def p_value(self):
        """McNemar's of a single seed; None for several, whose pairs may be the same ones."""
        values = [one.p_value for one in self.comparisons.values()]
        return values[0] if len(values) == 1 else None

    @property
    def at_chance(self):
        """Whether neither network is better than chance: binomial test, one-sided, at 5 %."""
        both = sum(one.both for one in self.comparisons.values())
        total = both + self.only_first + self.only_second
        total += sum(one.neither for one in self.comparisons.values())
        return all(
            scipy.stats.binomtest(both + only, total, self.chance, "greater").pvalue > 1 - LEVEL
            for only in (self.only_first, self.only_second)
        )

    @property
    def only_first(self):
        """Pairs or images that only the first decides correctly, summed over seeds."""
        return sum(one.only_first for one in self.comparisons.values())

    @property
    def only_second(self):
        """Pairs or images that only the second decides correctly, summed over seeds."""
        return sum(one.only_second for one in self.comparisons.values())


def paired(first, second, answers, other_answers, over):
    """Compares two networks, each seed's with its own counterpart.

    Args:
        first, second: names of the networks.
        answers, other_answers: of the two, dicts from seed to "right", bool (n,), whether the
            decision on a pair or image is correct, and "identities", int (n, 2) or (n,).
        over: what the interval of a single seed is of, `OVER_PAIRS` or `OVER_IMAGES`.

    Returns:
        A `Paired`; None if they have no seed in common.

    Raises:
        ValueError: if they were not tested on the same ones.
    """
    comparisons = {}
    for seed in sorted(answers.keys() & other_answers.keys()):
        one, other = answers[seed], other_answers[seed]
        if not np.array_equal(one["identities"], other["identities"]):
            raise ValueError(
                f"{first} and {second} were not tested on the same pairs or images (seed {seed})."
            )
        comparisons[seed] = compare(
            first, second, one["right"], other["right"], one["identities"]
        )
    if not comparisons:
        return None
    differences = {seed: one.difference for seed, one in comparisons.items()}
    only = next(iter(comparisons.values()))
    difference = Measure.of(differences, only.interval, over)
    seed = next(iter(comparisons))
    people = np.unique(answers[seed]["identities"])
    # Of pairs half are the same; who is in an image is one of all.
    chance = 0.5 if over == OVER_PAIRS else 1 / len(people)
    return Paired(first, second, comparisons, difference, chance)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A difference that the paper found, and what was found here.

    Attributes:
        text: such as "correlation above magnitude on 5b".
        difference: `Measure`, above 0 where it is as the paper says; None if nothing was measured.
        published: the paper's, or None where it gives no figure.
        scale: 100 for shares, which are given in points; else 1.
        equal: whether the paper says that there is no difference.
        paired: `Paired` that the difference is from, or None where it is of no decisions.
    """

    text: str
    difference: Measure | None
    published: float | None = None
    scale: int = 100
    equal: bool = False
    paired: Paired | None = None

    @classmethod
    def of(cls, text: str, found: Paired | None, published: float | None = None) -> "Claim":
        """The claim that the first of two networks decides more correctly.

        Args:
            text, published: see the class.
            found: the `Paired`, or None if nothing was measured.
        """
        return cls(text, found.difference if found else None, published, paired=found)

    @property
    def verdict(self) -> str:
        """"holds" or "does not hold" where the difference is significant, else what is open.

        It is where the 95 % interval excludes 0, and of a single seed's decisions if McNemar's p is
        below 5 %, too. Networks of which neither is better than chance decide nothing. What one seed
        shows another may contradict, so that of a single one says so.
        """
        if self.difference is None:
            return "not measured"
        if self.paired is not None and self.paired.at_chance:
            return "not decided, neither is better than chance"
        once = " for this seed" if len(self.difference.values) == 1 else ""
        mean, interval = self.difference.mean, self.difference.interval
        if self.equal:
            apart = interval is not None and not interval[0] <= 0 <= interval[1]
            return f"does not hold exactly{once}" if apart else "not contradicted"
        if self.paired is not None and (self.paired.p_value or 0.0) >= 1 - LEVEL:
            interval = None
        if interval is not None and interval[0] > 0:
            return f"holds{once}"
        if interval is not None and interval[1] < 0:
            return f"does not hold{once}"
        sign = "agrees" if mean > 0 else "does not agree" if mean < 0 else "is none"
        return f"not decided, the sign {sign}"
