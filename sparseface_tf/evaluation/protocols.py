"""The protocols by name, each from its data and lists to what the report shows.

A protocol opens its lists when it is made, so that what is wrong with them shows before anything
is embedded; `run` then takes features and a scorer.
"""

import dataclasses
import os
from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.boxed_faces import BoxedFaces
from pipelines.folder import FolderFaces
from pipelines.regions import WHOLE_FACE, crop_region
from pipelines.sources import open_faces
from sparseface_tf.evaluation import blufr, identification, ijba, lfw, metrics, pairs, ytf
from sparseface_tf.evaluation.bootstrap import interval_of_share
from sparseface_tf.evaluation.comparison import compare
from sparseface_tf.evaluation.section import Hardest, HardPair, Number, Run


class Place(NamedTuple):
    """Where a protocol finds its images and lists.

    Attributes:
        data: source of faces, see `pipelines.sources.open_faces`; for "ytf" the folder of frames,
            for IJB-A that of images.
        lists: folder of the published lists; empty for `data` itself.
        pairs: list of pairs, for "pairs".
        allow_missing: go on without images that are not there.
        open: function from a name to a source of faces, which may remember those it has opened.
    """

    data: str
    lists: str = ""
    pairs: str = ""
    allow_missing: bool = False
    open: Callable = open_faces

    def faces(self):
        """The source of faces."""
        return self.open(self.data)

    def list(self, *names):
        """Path of the first list or folder of these names that is there.

        Raises:
            FileNotFoundError: if there is none.
        """
        folder = self.lists or self.data
        paths = [os.path.join(folder, name) for name in names]
        for path in paths:
            if tf.io.gfile.exists(path):
                return path
        raise FileNotFoundError(
            f"No {' or '.join(names)} in {folder}: give the folder of the published lists, --lists."
        )


class Found(NamedTuple):
    """What a run of a protocol found.

    Attributes:
        result: the protocol's dataclass of numbers, for JSON.
        run: the same as `Run`, for people.
        scores: of every pair, float64 (p,); None where the protocol has no pairs.
        right: whether each pair was decided rightly, bool (p,); None likewise.
    """

    result: object
    run: Run
    scores: np.ndarray | None = None
    right: np.ndarray | None = None


class _Pairs:
    """Verification of pairs: what LFW, YouTube Faces and other lists have in common.

    Attributes:
        source: source of faces.
        test: `PairTest` or `VideoTest`; features are of `test.images`.
        facts: list of sentences.
    """

    how = pairs.HOW
    of_pairs = True  # has scores of pairs, and so can be compared pair by pair
    learns = False  # whether a scorer may be learned from the protocol's own images

    def run(self, features, names, make_scorer, learned):
        """Tests a scorer.

        Args:
            features: float array (n, d), of `test.images`.
            names: of the system and of the scorer.
            make_scorer: function that returns a scorer.
            learned: whether that is learned already; only `learns` protocols can teach it.

        Returns:
            `Found`.
        """
        scores = self.scores(features, make_scorer(), ", ".join(names))
        result = pairs.evaluate_pairs(scores, self.test)
        called, thresholds = pairs.decisions(scores, self.test, result)
        run = Run(
            *names,
            _pair_numbers(result),
            roc=result.curve,
            histogram=result.histogram,
            thresholds=tuple(sorted(set(result.thresholds))),
            hardest=self._hardest(scores, called, thresholds),
        )
        return Found(result, run, scores, called == self.test.same)

    def scores(self, features, scorer, title):
        """Scores of all pairs, float (p,)."""
        return pairs.score_pairs(features, self.test.pairs, scorer)

    def compare(self, found):
        """McNemar's test of all pairs of runs that share the system or the scorer.

        Args:
            found: list of `Found`.

        Returns:
            List of `Comparison`.
        """
        people = self.test.labels[self.test.pairs]
        return [
            compare(a.run.name, b.run.name, a.right, b.right, people)
            for i, a in enumerate(found)
            for b in found[i + 1 :]
            if a.run.system == b.run.system or a.run.scorer == b.run.scorer
        ]

    def pair_names(self):
        """Names of both images of every pair, list of tuples."""
        names = [self.source.name(i) for i in self.test.images]
        return [(names[a], names[b]) for a, b in self.test.pairs]

    shown = 8  # pairs of either kind on the page

    def _hardest(self, scores, called, thresholds):
        """The wrong decisions farthest from their thresholds."""
        wrong = called != self.test.same
        beyond = np.where(called, scores - thresholds, thresholds - scores)
        kinds, counts = [], []
        for kind in (~self.test.same, self.test.same):
            chosen = np.flatnonzero(wrong & kind)
            counts.append(len(chosen))
            worst = chosen[np.argsort(-beyond[chosen], kind="stable")][: self.shown]
            kinds.append(tuple(self._hard_pair(i, scores[i], thresholds[i]) for i in worst))
        return Hardest(*kinds, *counts)

    def _hard_pair(self, pair, score, threshold):
        images = [self.picture(i) for i in self.test.pairs[pair]]
        names = tuple(self.source.name(i) for i in images)
        crops = tuple(thumbnail(self.source, i) for i in images)
        return HardPair(names, crops, float(score), float(threshold))

    def picture(self, i):
        """Number of the source's image that shows row i of the pairs."""
        return int(self.test.images[i])


class Lfw(_Pairs):
    """View 2 of LFW."""

    title = "LFW, View 2"

    def __init__(self, place):
        self.source = place.faces()
        path = _lists_of_lfw(self.source, "10_folds") or place.list("pairs.txt", "lfw/pairs.txt")
        self.test = lfw.read_view_2(path, self.source, place.allow_missing)
        self.facts = _pair_facts(self.test, "images")


class LfwView1(_Pairs):
    """View 1 of LFW: 1,000 test pairs, to choose a model by.

    Both lists are one test of two folds, so that the threshold for the test pairs is the best on
    the training pairs; all numbers are those of the test pairs.
    """

    title = "LFW, View 1 (to choose a model by, not to report)"
    how = lfw.View1Result.how

    def __init__(self, place):
        self.source = place.faces()
        paths = [
            _lists_of_lfw(self.source, part) or place.list(name, f"lfw/{name}")
            for part, name in (("train", "pairsDevTrain.txt"), ("test", "pairsDevTest.txt"))
        ]
        self.training, test = lfw.read_view_1(*paths, self.source, place.allow_missing)
        # Features of the training pairs are needed, too: rows behind those of the test pairs.
        self._rows = len(test.images)
        self.test = dataclasses.replace(
            test, images=np.concatenate([test.images, self.training.images])
        )
        self.facts = _pair_facts(test, "images")

    def run(self, features, names, make_scorer, learned):
        scorer = make_scorer()
        scores = pairs.score_pairs(features, self.test.pairs, scorer)
        training = pairs.score_pairs(features[self._rows :], self.training.pairs, scorer)
        result = lfw.evaluate_view_1(training, self.training.same, scores, self.test.same)
        sorted_scores = metrics.Scores.of(np.asarray(scores, np.float64), self.test.same)
        called = np.asarray(scores, np.float64) >= result.threshold
        right = called == self.test.same
        people = self.test.labels[self.test.pairs]
        over = f"{len(np.unique(people)):,} identities"
        numbers = {
            "accuracy": Number(
                result.accuracy,
                result.standard_error,
                "standard error",
                interval_of_share(right, people),
                over,
            ),
            "AUC": Number(result.auc),
            "EER": Number(result.eer, lower_is_better=True),
        }
        run = Run(
            *names,
            numbers,
            roc=metrics.tar_curve(sorted_scores),
            histogram=metrics.histogram(sorted_scores),
            thresholds=(result.threshold,),
            hardest=self._hardest(scores, called, np.full(len(scores), result.threshold)),
        )
        return Found(result, run, np.asarray(scores, np.float64), right)


class NamedPairs(_Pairs):
    """Any list of pairs on any faces."""

    def __init__(self, place):
        if not place.pairs:
            raise ValueError("--protocol=pairs needs a list: give --pairs=FILE.")
        self.title = f"Pairs of {os.path.basename(place.pairs)}"
        self.source = place.faces()
        self.test = pairs.read_pair_test(place.pairs, self.source, place.allow_missing)
        self.facts = _pair_facts(self.test, "images")


class YouTubeFaces(_Pairs):
    """Pairs of videos."""

    title = "YouTube Faces"
    how = (
        "The score of two videos is the mean of the scores of all pairs of a frame of one and a "
        f"frame of the other. {pairs.HOW}"
    )

    def __init__(self, place):
        self.source = FolderFaces(place.data, videos=True)
        path = place.list("splits.txt", "ytf/splits.txt")
        self.test = ytf.read_splits(path, self.source, place.allow_missing)
        self.facts = [
            *_pair_facts(self.test, "videos"),
            f"{len(self.test.images):,} frames of {len(self.test.videos):,} videos.",
        ]

    def scores(self, features, scorer, title):
        return ytf.score_videos(features, self.test, scorer, title)

    def pair_names(self):
        return [tuple(self.test.videos[i] for i in pair) for pair in self.test.pairs]

    def picture(self, i):
        # The frame in the middle.
        return int(self.test.images[(self.test.starts[i] + self.test.starts[i + 1]) // 2])


class LfwIdentification:
    """Closed- and open-set identification on LFW."""

    title = "LFW, identification"
    of_pairs = learns = False
    how = f"{identification.ClosedResult.how} Open set: {identification.OpenResult.how}"

    def __init__(self, place):
        self.source = place.faces()
        path = place.list("identification.json", "lfw/identification.json")
        self.test = identification.read_identification(path, self.source, place.allow_missing)
        closed, open_ = self.test.closed[0], self.test.open[0]
        self.facts = [
            f"{len(self.test.closed)} closed-set trials, in the first {len(closed.gallery):,} "
            f"people in the gallery and {len(closed.probes):,} probes; {len(self.test.open)} "
            f"open-set trials, in the first {len(open_.gallery):,} people, "
            f"{len(open_.genuine):,} probes of them and {len(open_.impostors):,} of others.",
            *_missing_facts(self.test, "places"),
        ]

    def run(self, features, names, make_scorer, learned):
        scorer = make_scorer()
        closed = identification.evaluate_closed(features, self.test, scorer)
        open_ = identification.evaluate_open(features, self.test, scorer)
        numbers = {
            "closed set, rank 1": _number(closed.rank_1, "standard error"),
            "open set, rank 1 at 1 % false alarms": _number(open_.rank_1.rate, "standard error"),
        }
        run = Run(*names, numbers, search=open_.curve, cmc=closed.cmc)
        return Found({"closed": closed, "open": open_}, run)


class Blufr:
    """BLUFR."""

    title = "BLUFR"
    of_pairs, learns = False, True
    how = blufr.HOW

    def __init__(self, place):
        self.source = place.faces()
        path = place.list("blufr_lfw_config.mat", "lfw/blufr_lfw_config.mat")
        self.test = blufr.read_blufr(path, self.source, place.allow_missing)
        self.facts = [
            f"{len(self.test.trials)} trials on {len(self.test.images):,} images.",
            *_missing_facts(self.test),
        ]

    def run(self, features, names, make_scorer, learned):
        result = blufr.evaluate_blufr(
            features, self.test, make_scorer, learn=not learned, title=f"BLUFR, {', '.join(names)}"
        )
        numbers = {
            "verification rate at FAR 0.1 %": _number(result.verification.rate),
            "detection and identification at 1 % false alarms": _number(
                result.identification.rate
            ),
            "the first, mean - std": Number(result.verification_below),
            "the second, mean - std": Number(result.identification_below),
        }
        run = Run(
            *names, numbers, roc=result.verification_curve, search=result.identification_curve
        )
        return Found(result, run)


class IjbaVerification:
    """IJB-A 1:1."""

    title = "IJB-A, 1:1"
    of_pairs = learns = False
    how = ijba.TemplateVerification.how

    def __init__(self, place):
        folder = place.list("IJB-A_11_sets", "11", ".")
        self.source, splits = _ijba_faces(place, folder)
        self.test = ijba.read_verification(folder, self.source, splits, place.allow_missing)
        count = sum(len(split.pairs) for split in self.test.splits)
        self.facts = [
            f"{len(self.test.splits)} splits, {count:,} comparisons of templates made of "
            f"{len(self.test.images):,} faces.",
            *_missing_facts(self.test, "comparisons"),
        ]

    def run(self, features, names, make_scorer, learned):
        result = ijba.evaluate_verification(features, self.test, make_scorer())
        numbers = {f"TAR at FAR {rate.far:g}": _number(rate.rate) for rate in result.tar_at_far}
        numbers["AUC"] = _number(result.auc)
        numbers["EER"] = _number(result.eer, lower_is_better=True)
        return Found(result, Run(*names, numbers, roc=result.curve))


class IjbaSearch:
    """IJB-A 1:N."""

    title = "IJB-A, 1:N"
    of_pairs = learns = False
    how = ijba.TemplateSearch.how

    def __init__(self, place):
        folder = place.list("IJB-A_1N_sets", "1N", ".")
        self.source, splits = _ijba_faces(place, folder)
        self.test = ijba.read_search(folder, self.source, splits, place.allow_missing)
        self.facts = [
            f"{len(self.test.splits)} splits, templates made of {len(self.test.images):,} faces.",
            *_missing_facts(self.test, "templates"),
        ]

    def run(self, features, names, make_scorer, learned):
        result = ijba.evaluate_search(features, self.test, make_scorer())
        numbers = {"rank 1": _number(result.rank_1), "rank 5": _number(result.rank_5)}
        for rate in result.tpir_at_fpir:
            numbers[f"TPIR at FPIR {rate.far:g}"] = _number(rate.rate)
        return Found(result, Run(*names, numbers, search=result.curve, cmc=result.cmc))


PROTOCOLS = {
    "lfw": Lfw,
    "lfw_view1": LfwView1,
    "lfw_identification": LfwIdentification,
    "blufr": Blufr,
    "ytf": YouTubeFaces,
    "ijba_verification": IjbaVerification,
    "ijba_search": IjbaSearch,
    "pairs": NamedPairs,
}


def thumbnail(source, image):
    """The aligned face, uint8 (112, 96, 3)."""
    crop = crop_region(*source.load(tf.constant(image, tf.int64)), WHOLE_FACE)
    return np.clip(np.round(crop), 0, 255).astype(np.uint8)


def _lists_of_lfw(source, part):
    """Path of a list that scikit-learn's LFW comes with, or None."""
    return getattr(source, "pairs", {}).get(part)


def _ijba_faces(place, folder):
    splits = ijba.splits_in(folder)
    faces = ijba.read_faces(folder, splits)
    return BoxedFaces(place.data, faces, allow_missing=place.allow_missing), splits


def _pair_facts(test, what):
    folds = len(np.unique(test.fold))
    return [
        f"{len(test.same):,} pairs of {len(np.unique(test.pairs)):,} {what}, "
        f"{int(test.same.sum()):,} of the same and {int((~test.same).sum()):,} of different people, "
        f"in {folds} {'folds' if folds > 1 else 'fold'}.",
        *_missing_facts(test, "pairs"),
    ]


def _missing_facts(test, what=""):
    if not test.missing:
        return []
    left = f", so {test.left_out:,} {what} are left out" if what else ""
    return [f"{len(test.missing):,} images or videos of the list are not there{left}."]


def _number(estimate, spread="standard deviation", lower_is_better=False):
    """`Number` of an `Estimate`."""
    return Number(
        estimate.mean,
        getattr(estimate, spread.replace(" ", "_")),
        spread,
        estimate.interval,
        estimate.over,
        lower_is_better,
    )


def _pair_numbers(result):
    over = f"{result.identities:,} identities"
    numbers = {}
    if result.accuracy is not None:
        numbers["accuracy"] = _number(result.accuracy, "standard error")
    else:
        numbers["accuracy with the best threshold"] = Number(result.best_accuracy)
    interval = result.intervals.get
    numbers["AUC"] = Number(result.auc, interval=interval("auc"), over=over)
    numbers["EER"] = Number(result.eer, interval=interval("eer"), over=over, lower_is_better=True)
    for rate in result.tar_at_far:
        far = f"{rate.pooled.far:g}"
        numbers[f"TAR at FAR {far}"] = Number(rate.pooled.rate, interval=interval(far), over=over)
    return numbers
