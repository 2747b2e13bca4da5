"""LFW verification (Huang et al., 2007): View 1 to choose a model by, View 2 to report it."""

import dataclasses

import numpy as np

from sparseface_tf.evaluation import metrics
from sparseface_tf.evaluation.pairs import read_pair_test
from sparseface_tf.matching.verification import best_threshold

FOLDS = 10


@dataclasses.dataclass(frozen=True)
class View1Result:
    """Numbers to choose a model by, never to report.

    Attributes:
        accuracy: share of correct decisions on the test pairs.
        standard_error: of it, as of a share of independent pairs.
        threshold: the one that is best on the training pairs.
        training_accuracy: that share there.
        auc, eer: of the test pairs.
        how: how the numbers were obtained.
    """

    accuracy: float
    standard_error: float
    threshold: float
    training_accuracy: float
    auc: float
    eer: float
    how: str = "Accuracy on the test pairs with the threshold that is best on the training pairs."


def read_view_2(path, source, allow_missing=False):
    """Reads `pairs.txt`.

    Args:
        path: the list.
        source, allow_missing: see `read_pair_test`.

    Returns:
        `PairTest` of ten folds; `score_pairs` and `evaluate_pairs` make the numbers.

    Raises:
        ValueError: as `read_pair_test`, or if there are not ten folds.
    """
    test = read_pair_test(path, source, allow_missing)
    folds = len(np.unique(test.fold))
    if folds != FOLDS:
        raise ValueError(f"{path} has {folds} folds, LFW's View 2 has {FOLDS}: give its pairs.txt.")
    return test


def read_view_1(training, test, source, allow_missing=False):
    """Reads `pairsDevTrain.txt` and `pairsDevTest.txt`: two `PairTest`s, see `read_pair_test`."""
    return tuple(read_pair_test(path, source, allow_missing) for path in (training, test))


def evaluate_view_1(training_scores, training_same, scores, same):
    """Numbers of View 1.

    Args:
        training_scores, training_same: scores and whether each pair is the same, (n,).
        scores, same: those of the test pairs, (m,).

    Returns:
        `View1Result`.
    """
    threshold = best_threshold(training_scores, training_same)
    accuracy, trained = (
        float(np.mean((np.asarray(s, np.float64) >= threshold) == truth))
        for s, truth in ((scores, same), (training_scores, training_same))
    )
    corners = metrics.roc(metrics.Scores.of(scores, same))
    return View1Result(
        accuracy=accuracy,
        standard_error=float(np.sqrt(accuracy * (1 - accuracy) / len(scores))),
        threshold=threshold,
        training_accuracy=trained,
        auc=metrics.auc(corners),
        eer=metrics.eer(corners),
    )
