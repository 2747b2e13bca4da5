"""Whether two faces show the same identity: embedding, thresholds, accuracy over folds."""

import dataclasses
from collections.abc import Iterable

import keras
import numpy as np
import tqdm
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.replicas import check_one_replica


@dataclasses.dataclass(frozen=True)
class Verification:
    """Result of a ten-fold verification test.

    Attributes:
        accuracy: mean over the folds.
        standard_error: of that mean, standard deviation (n - 1) / sqrt(folds).
        fold_accuracies: accuracy of every fold.
        thresholds: similarity from which on each fold's pairs were called the same.
    """

    accuracy: float
    standard_error: float
    fold_accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]


def embed(
    model: keras.Model, batches: Iterable, title: str | None = None
) -> NDArray[np.float32]:
    """Features of all images of a data set.

    Args:
        model: embedding model, (n, height, width, channels) -> (n, features).
        batches: iterable of image batches; a progress bar knows its end if it has a length.
        title: what a progress bar says in front; None for no bar.

    Returns:
        float32 array (images, features).

    Raises:
        ValueError: if the model is on several replicas.
    """
    check_one_replica(model, "Embedding")
    batches = tqdm.tqdm(batches, desc=title, unit="batch", leave=False, disable=title is None)
    features = [keras.ops.convert_to_numpy(model.predict_on_batch(batch)) for batch in batches]
    return np.concatenate(features).astype(np.float32)


def best_threshold(scores: ArrayLike, same: ArrayLike) -> float:
    """The threshold with most correct decisions, where score >= threshold means the same.

    Among equally good ones the middle of the widest gap is taken, so that the choice does not
    hang on the last digits of one score.

    Args:
        scores: float array (n,), higher for more similar.
        same: boolean array (n,).

    Returns:
        The threshold, a float.
    """
    order = np.argsort(scores, kind="stable")
    scores, same = np.asarray(scores, np.float64)[order], np.asarray(same, bool)[order]
    # correct[k]: the k lowest scores are called different, the others the same.
    correct = np.concatenate([[0], np.cumsum(~same)]) + np.concatenate(
        [np.cumsum(same[::-1])[::-1], [0]]
    )
    lower = np.concatenate([[scores[0] - 1], scores])
    upper = np.concatenate([scores, [scores[-1] + 1]])
    gap = upper - lower
    # Between two equal scores there is no threshold, however good it would be.
    correct = np.where(gap > 0, correct, -1)
    best = max(np.flatnonzero(correct == correct.max()), key=lambda k: gap[k])
    middle = (lower[best] + upper[best]) / 2
    # Of neighbouring numbers the middle is one of the two.
    return float(middle if middle > lower[best] else upper[best])


def verification_accuracy(
    scores: ArrayLike, same: ArrayLike, folds: ArrayLike
) -> Verification:
    """Accuracy over folds, each with the threshold that is best on all the others.

    This is LFW's View 2 protocol when the folds are LFW's.

    Args:
        scores: float array (n,), higher for more similar pairs.
        same: boolean array (n,).
        folds: integer array (n,), at least two different values.

    Returns:
        A `Verification`.

    Raises:
        ValueError: if there are fewer than two folds, or a score is not finite.
    """
    scores, same, folds = np.asarray(scores), np.asarray(same, bool), np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 2:
        raise ValueError("Verification needs at least two folds of pairs.")
    if not np.isfinite(scores).all():
        raise ValueError("Some similarity scores are not finite: the model is broken.")
    accuracies, thresholds = [], []
    for fold in names:
        test = folds == fold
        threshold = best_threshold(scores[~test], same[~test])
        accuracies.append(float(np.mean((scores[test] >= threshold) == same[test])))
        thresholds.append(threshold)
    return Verification(
        accuracy=float(np.mean(accuracies)),
        standard_error=float(np.std(accuracies, ddof=1) / np.sqrt(len(names))),
        fold_accuracies=tuple(accuracies),
        thresholds=tuple(thresholds),
    )


def correct_decisions(
    scores: ArrayLike, same: ArrayLike, folds: ArrayLike, thresholds: ArrayLike
) -> NDArray[np.bool_]:
    """Which pairs a verification test decides correctly.

    Args:
        scores, same, folds: as in `verification_accuracy`.
        thresholds: of its result, one for each fold in ascending order.

    Returns:
        Boolean array (n,). Its mean over a fold is the fold's accuracy.
    """
    _, fold = np.unique(folds, return_inverse=True)
    return (np.asarray(scores) >= np.asarray(thresholds)[fold]) == np.asarray(same, bool)
