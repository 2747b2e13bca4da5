"""Views 1 and 2 of LFW."""

import dataclasses

import numpy as np

from sparseface_tf.evaluation import lfw, metrics, pairs
from sparseface_tf.evaluation.bootstrap import interval_of_share
from sparseface_tf.evaluation.protocols.pair_protocol import PairProtocol, pair_facts
from sparseface_tf.evaluation.protocols.place import Found
from sparseface_tf.evaluation.section import Number, Run


class Lfw(PairProtocol):
    """View 2 of LFW."""

    title = "LFW, View 2"

    def __init__(self, place):
        self.source = place.faces()
        path = _lists_of_lfw(self.source, "10_folds") or place.list("pairs.txt", "lfw/pairs.txt")
        self.test = lfw.read_view_2(path, self.source, place.allow_missing)
        self.facts = pair_facts(self.test, "images")


class LfwView1(PairProtocol):
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
        self.facts = pair_facts(test, "images")

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


def _lists_of_lfw(source, part):
    """Path of a list that scikit-learn's LFW comes with, or None."""
    return getattr(source, "pairs", {}).get(part)
