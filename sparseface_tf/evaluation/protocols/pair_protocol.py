"""Verification of pairs: what LFW, YouTube Faces and other lists have in common."""

import os

import numpy as np
import tensorflow as tf

from pipelines.faces.cropping import crop_region
from pipelines.faces.regions import WHOLE_FACE
from sparseface_tf.evaluation import pairs
from sparseface_tf.evaluation.comparison import compare
from sparseface_tf.evaluation.protocols.place import Found, missing_facts, number_of
from sparseface_tf.evaluation.section import Hardest, HardPair, Number, Run


class PairProtocol:
    """A test on pairs.

    Attributes:
        source: source of faces.
        test: `PairTest` or `VideoTest`; features are of `test.images`.
        facts: list of sentences.
    """

    how = pairs.HOW
    of_pairs = True  # has scores of pairs, and so can be compared pair by pair
    shown = 8  # pairs of either kind on the page

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
        crops = tuple(_thumbnail(self.source, i) for i in images)
        return HardPair(names, crops, float(score), float(threshold))

    def picture(self, i):
        """Number of the source's image that shows row i of the pairs."""
        return int(self.test.images[i])


class NamedPairs(PairProtocol):
    """Any list of pairs on any faces."""

    def __init__(self, place):
        if not place.pairs:
            raise ValueError("--protocol=pairs needs a list: give --pairs=FILE.")
        self.title = f"Pairs of {os.path.basename(place.pairs)}"
        self.source = place.faces()
        self.test = pairs.read_pair_test(place.pairs, self.source, place.allow_missing)
        self.facts = pair_facts(self.test, "images")


def _thumbnail(source, image):
    """The aligned face, uint8 (112, 96, 3)."""
    crop = crop_region(*source.load(tf.constant(image, tf.int64)), WHOLE_FACE)
    return np.clip(np.round(crop), 0, 255).astype(np.uint8)


def pair_facts(test, what):
    """Sentences on what a test is made of."""
    folds = len(np.unique(test.fold))
    return [
        f"{len(test.same):,} pairs of {len(np.unique(test.pairs)):,} {what}, "
        f"{int(test.same.sum()):,} of the same and {int((~test.same).sum()):,} of different people, "
        f"in {folds} {'folds' if folds > 1 else 'fold'}.",
        *missing_facts(test, "pairs"),
    ]


def _pair_numbers(result):
    over = f"{result.identities:,} identities"
    numbers = {}
    if result.accuracy is not None:
        numbers["accuracy"] = number_of(result.accuracy, "standard error")
    else:
        numbers["accuracy with the best threshold"] = Number(result.best_accuracy)
    interval = result.intervals.get
    numbers["AUC"] = Number(result.auc, interval=interval("auc"), over=over)
    numbers["EER"] = Number(result.eer, interval=interval("eer"), over=over, lower_is_better=True)
    for rate in result.tar_at_far:
        far = f"{rate.pooled.far:g}"
        numbers[f"TAR at FAR {far}"] = Number(rate.pooled.rate, interval=interval(far), over=over)
    return numbers
