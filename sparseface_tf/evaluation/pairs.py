"""Verification of pairs of images, in folds or not: LFW's View 2 and any other list of pairs."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.batches.pairs_file import read_named_pairs
from pipelines.faces.names import find_images, image_names
from sparseface_tf.evaluation import metrics
from sparseface_tf.evaluation.bootstrap import intervals_of_roc
from sparseface_tf.evaluation.estimate import Estimate
from sparseface_tf.matching.verification import best_threshold, verification_accuracy

FARS = (1e-1, 1e-2, 1e-3)
# Pairs at a time: with 512 features and float64 inside the scorer some 500 MB.
_BLOCK = 32768

HOW = (
    "Accuracy: a pair is the same if score >= threshold, the threshold for each fold being the "
    "best on all other folds; mean and standard error over folds. ROC, AUC, EER and TAR (pooled): "
    "of all pairs together; TAR is that of the lowest threshold with at most "
    "floor(FAR * impostors) false accepts, not interpolated. TAR over folds: with the threshold "
    "that the other folds' impostors give, so that the FAR in the fold is measured, too. Intervals "
    "of 95 % by bootstrap: of the accuracy over folds, of the pooled numbers over identities."
)


@dataclasses.dataclass(frozen=True)
class PairTest:
    """Pairs of images to verify.

    Attributes:
        images: int64 array (n,), ascending; which images of the source are needed. Features are
            given in this order.
        pairs: int64 array (p, 2), rows of those features.
        same: bool array (p,), whether the two are of the same identity.
        fold: int64 array (p,), the part of the test that a pair belongs to.
        labels: int64 array (n,), identity of each image.
        missing: names of images that the list has and the source does not, a tuple.
        left_out: number of pairs left out for that.
    """

    images: NDArray[np.int64]
    pairs: NDArray[np.int64]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]
    labels: NDArray[np.int64]
    missing: tuple[str, ...] = ()
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class FoldedTar:
    """TAR at a FAR.

    Attributes:
        pooled: `metrics.Rate` of all pairs together.
        tar, far: `Estimate`s over folds, each with the threshold from all other folds; None with a
            single fold.
    """

    pooled: metrics.Rate
    tar: Estimate | None
    far: Estimate | None


@dataclasses.dataclass(frozen=True)
class PairResult:
    """Numbers of a verification test.

    Attributes:
        pairs, genuine: number of pairs, and of those of the same identity.
        missing, left_out: as in the test.
        accuracy: `Estimate` over folds; None with a single fold, which has no other folds to choose
            a threshold on.
        thresholds: for each fold, in ascending order, the one chosen on the others; with a single
            fold the one of `best_accuracy`.
        best_accuracy: share of correct decisions with the threshold that is best on these very pairs.
        auc, eer: of all pairs together.
        fold_auc, fold_eer: `Estimate`s over folds; None with a single fold.
        tar_at_far: tuple of `FoldedTar`.
        intervals: dict with "auc", "eer" and every FAR of `tar_at_far` as "0.001", of (low, high),
            95 % of the pooled numbers; empty if there is one identity only.
        identities: number of them.
        curve: `metrics.Curve` of TAR over FAR.
        histogram: `metrics.Histogram` of the scores.
        how: how the numbers were obtained.
    """

    pairs: int
    genuine: int
    missing: tuple[str, ...]
    left_out: int
    accuracy: Estimate | None
    thresholds: tuple[float, ...]
    best_accuracy: float
    auc: float
    eer: float
    fold_auc: Estimate | None
    fold_eer: Estimate | None
    tar_at_far: tuple[FoldedTar, ...]
    intervals: dict[str, tuple[float, float]]
    identities: int
    curve: metrics.Curve
    histogram: metrics.Histogram
    how: str = HOW


def read_pair_test(
    path: str | os.PathLike, source: Any, allow_missing: bool = False
) -> PairTest:
    """Reads a list of pairs in any of the formats of `pipelines.pairs_file.read_named_pairs`.

    Args:
        path: the list.
        source: source of faces, or sequence of names IDENTITY/IMAGE.
        allow_missing: whether pairs of images that are not there are left out and counted.

    Returns:
        `PairTest`, pairs in the order of the list.

    Raises:
        FileNotFoundError: if there is no such list.
        ValueError: for a malformed list; images that are not there; a pair that the list calls the
            same and the folders different, or the other way; a fold without pairs of either kind.
    """
    path = os.fspath(path)
    listed = read_named_pairs(path)
    images = find_images(listed.names, source, path, allow_missing)
    missing = tuple(dict.fromkeys(name for name, i in zip(listed.names, images) if i < 0))
    images = images.reshape(-1, 2)
    kept = (images >= 0).all(1)
    check_folds(listed.same[kept], listed.fold[kept], np.unique(listed.fold), path)
    images, same = images[kept], listed.same[kept]

    names = image_names(source)
    identities = getattr(source, "labels", None)
    if identities is None:
        identities = np.unique([os.path.dirname(name) for name in names], return_inverse=True)[1]
    agrees = (identities[images[:, 0]] == identities[images[:, 1]]) == same
    if not agrees.all():
        first = np.flatnonzero(~agrees)[0]
        a, b = images[first]
        raise ValueError(
            f"{path}, line {listed.lines[kept][first]}: {names[a]} and {names[b]} are given as "
            f"{'the same' if same[first] else 'different'}, their folders say otherwise "
            f"({(~agrees).sum()} such pairs): correct the list or the folders."
        )
    used, rows = np.unique(images, return_inverse=True)
    return PairTest(
        images=used,
        pairs=rows.reshape(-1, 2),
        same=same,
        fold=listed.fold[kept],
        labels=np.asarray(identities)[used].astype(np.int64),
        missing=missing,
        left_out=int((~kept).sum()),
    )


def check_folds(same, fold, folds, path):
    """Refuses folds without pairs of both kinds.

    Args:
        same: bool array (p,).
        fold: integer array (p,).
        folds: the folds that there must be.
        path: the list, for the message.
    """
    for number in folds:
        kinds = same[fold == number]
        if not len(kinds) or kinds.all() or not kinds.any():
            lacking = "pair" if not len(kinds) else f"{'different' if kinds.all() else 'same'} pair"
            raise ValueError(
                f"{path}: fold {number} has no {lacking}; each needs pairs of both kinds."
            )


def score_pairs(features: NDArray, pairs: NDArray, scorer: Any) -> NDArray[np.floating]:
    """Scores of pairs, some at a time.

    Args:
        features: float array (n, d).
        pairs: integer array (p, 2), rows of it.
        scorer: has `score_pairs(a, b)`, (p, d) and (p, d) -> (p,), higher for more alike.

    Returns:
        float array (p,).

    Raises:
        ValueError: if the features are not of as many images as the pairs are, or not finite.
    """
    check_features(features, int(pairs.max()) + 1)
    return np.concatenate(
        [
            np.asarray(scorer.score_pairs(features[block[:, 0]], features[block[:, 1]]))
            for block in np.split(pairs, range(_BLOCK, len(pairs), _BLOCK))
        ]
    )


def check_features(features, images):
    """Refuses features that are not those of at least so many images, or not finite."""
    if len(features) < images:
        raise ValueError(f"The test has {images} images, features are given of {len(features)}.")
    # The sum of a row is finite only if all of it is, barring overflow, which is no feature either.
    bad = int((~np.isfinite(np.sum(features, axis=1))).sum())
    if bad:
        raise ValueError(f"The features of {bad} images are not finite: the model is broken.")


def evaluate_pairs(scores: ArrayLike, test: Any, fars: Sequence[float] = FARS) -> PairResult:
    """Numbers of a verification test.

    Args:
        scores: float array (p,), see `score_pairs`.
        test: what has `pairs`, `same`, `fold`, `labels`, `missing` and `left_out`, such as
            `PairTest`.
        fars: false accept rates to give the TAR at.

    Returns:
        `PairResult`.
    """
    # float64, in which the middle between two float32 scores lies between them.
    scores = np.asarray(scores, np.float64)
    everything = metrics.Scores.of(scores, test.same)
    corners = metrics.roc(everything)
    parts = [test.fold == number for number in np.unique(test.fold)]
    best_of_all = best_threshold(scores, test.same)
    accuracy = fold_auc = fold_eer = None
    thresholds: tuple[float, ...] = (best_of_all,)
    if len(parts) > 1:
        verified = verification_accuracy(scores, test.same, test.fold)
        accuracy, thresholds = Estimate.of(verified.fold_accuracies, "folds"), verified.thresholds
        rocs = [metrics.roc(metrics.Scores.of(scores[part], test.same[part])) for part in parts]
        fold_auc = Estimate.of([metrics.auc(curve) for curve in rocs], "folds")
        fold_eer = Estimate.of([metrics.eer(curve) for curve in rocs], "folds")
    best = (scores >= best_of_all) == test.same
    people = test.labels[test.pairs]
    intervals = intervals_of_roc(scores, test.same, people, fars)
    return PairResult(
        pairs=len(scores),
        genuine=int(test.same.sum()),
        missing=test.missing,
        left_out=test.left_out,
        accuracy=accuracy,
        thresholds=thresholds,
        best_accuracy=float(best.mean()),
        auc=metrics.auc(corners),
        eer=metrics.eer(corners),
        fold_auc=fold_auc,
        fold_eer=fold_eer,
        tar_at_far=tuple(_folded_tar(scores, test.same, parts, everything, far) for far in fars),
        intervals={f"{name:g}" if name in fars else name: i for name, i in intervals.items()},
        identities=len(np.unique(people)),
        curve=metrics.tar_curve(everything),
        histogram=metrics.histogram(everything),
    )


def decisions(scores, test, result):
    """Which pairs are called the same, each by the threshold of its fold.

    Args:
        scores, test: as given to `evaluate_pairs`.
        result: the `PairResult` that it returned.

    Returns:
        called: bool array (p,).
        thresholds: float64 array (p,).
    """
    _, part = np.unique(test.fold, return_inverse=True)
    thresholds = np.array(result.thresholds)[part]
    return np.asarray(scores, np.float64) >= thresholds, thresholds


def _folded_tar(scores, same, parts, everything, far):
    pooled = metrics.tar_at_far(everything, far)
    if len(parts) < 2:
        return FoldedTar(pooled, None, None)
    rates = []
    for part in parts:
        threshold = metrics.threshold_at_far(np.sort(scores[~part & ~same]), far)
        accepted = scores[part] >= threshold
        rates.append([accepted[same[part]].mean(), accepted[~same[part]].mean()])
    tar, measured = np.transpose(rates)
    return FoldedTar(pooled, Estimate.of(tar, "folds"), Estimate.of(measured, "folds"))
