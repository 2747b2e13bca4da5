"""What a protocol found, in the form in which it is reported: numbers, curves, hard pairs."""

import dataclasses

import numpy as np

from sparseface_tf.evaluation.metrics import Curve, Histogram


@dataclasses.dataclass(frozen=True)
class Number:
    """A number with what is known of its uncertainty.

    Attributes:
        value: mostly a share from 0 to 1.
        spread: what the literature prints behind ±, of the same unit; None where it prints nothing.
        spread_is: "standard error" or "standard deviation".
        interval: (low, high), 95 % by bootstrap; None where there is nothing to resample.
        over: what was resampled, such as "10 folds" or "4,281 identities".
        lower_is_better: whether it is an error.
    """

    value: float
    spread: float | None = None
    spread_is: str = ""
    interval: tuple | None = None
    over: str = ""
    lower_is_better: bool = False


@dataclasses.dataclass(frozen=True)
class HardPair:
    """A pair that was decided incorrectly.

    Attributes:
        names: of the two images.
        images: the two crops as the reader should see them, uint8 (height, width, 3).
        score: of the pair.
        threshold: what the score was compared with.
    """

    names: tuple
    images: tuple[np.ndarray, np.ndarray]
    score: float
    threshold: float


@dataclasses.dataclass(frozen=True)
class Hardest:
    """The incorrect decisions farthest from the threshold, worst first.

    Attributes:
        false_accepts, false_rejects: tuples of `HardPair`, some of each.
        accepts, rejects: how many there are in all.
    """

    false_accepts: tuple
    false_rejects: tuple
    accepts: int
    rejects: int


@dataclasses.dataclass(frozen=True)
class Run:
    """A system with a scorer on one protocol.

    Attributes:
        system: name of the model or ensemble.
        scorer: "cosine" or "Joint Bayesian".
        numbers: dict from a number's name to `Number`; the first one is the protocol's headline.
        roc: `Curve` of TAR over FAR, or None.
        search: `Curve` of detection and identification over false alarms, or None.
        cmc: share found at rank 1, 2, … or better, a tuple; or None.
        histogram: `Histogram` of genuine and impostor scores, or None.
        thresholds: where pairs are parted, a tuple, empty if they are not.
        hardest: `Hardest`, or None.
    """

    system: str
    scorer: str
    numbers: dict
    roc: Curve | None = None
    search: Curve | None = None
    cmc: tuple | None = None
    histogram: Histogram | None = None
    thresholds: tuple = ()
    hardest: Hardest | None = None

    @property
    def name(self):
        """System and scorer."""
        return f"{self.system}, {self.scorer}"


@dataclasses.dataclass(frozen=True)
class Section:
    """A protocol's part of the report.

    Attributes:
        name: the protocol as on the command line, such as "lfw"; files are named by it.
        title: such as "LFW, View 2".
        facts: list of short sentences: what was tested, what is missing, what was left out.
        how: how the numbers were obtained.
        runs: list of `Run`, at least one.
        comparisons: list of `sparseface_tf.evaluation.comparison.Comparison`, of runs on the same
            pairs; empty if there is nothing to compare.
        tables: dict from a title to rows of strings, the first row the head; more that belongs to
            the protocol, such as the members of an ensemble.
    """

    name: str
    title: str
    facts: list
    how: str
    runs: list
    comparisons: list = dataclasses.field(default_factory=list)
    tables: dict = dataclasses.field(default_factory=dict)
