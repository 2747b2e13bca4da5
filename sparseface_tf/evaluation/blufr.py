"""BLUFR, the benchmark of large-scale unconstrained face recognition (Liao et al., IJCB 2014).

All pairs of LFW's images in ten trials: verification rate at a FAR of 0.1 %, and rank-1 detection
and identification rate of an open-set search at 1 % false alarms. What is learned from a trial's
training images may be used in it.
"""

import dataclasses
import os
from typing import NamedTuple

import numpy as np
import scipy.io
import tensorflow as tf
import tqdm

from pipelines.faces.names import find_images
from sparseface_tf.evaluation import metrics
from sparseface_tf.evaluation.estimate import Estimate, RateEstimate
from sparseface_tf.evaluation.pairs import check_features
from sparseface_tf.evaluation.search import dir_at_far, dir_curve, search

VERIFICATION_FAR = 1e-3
IDENTIFICATION_FAR = 1e-2
# Images at a time whose scores with all others are computed: 2 x 80 MB for 10,000 others.
_BLOCK = 1024

HOW = (
    "Scores of all pairs of a trial's test images (below the diagonal), and open-set search of its "
    "probes in its gallery, rank 1. With n impostors the threshold is the round(FAR * n)-th "
    "highest of their scores, as in the benchmark's own toolkit; score >= threshold is accepted. "
    "Trials give mean and standard deviation (n - 1); the benchmark ranks by mean - standard "
    "deviation."
)


class Trial(NamedTuple):
    """Rows of features, int64 arrays; the gallery and the probes are parts of the test images."""

    train: np.ndarray
    test: np.ndarray
    gallery: np.ndarray
    probes: np.ndarray


@dataclasses.dataclass(frozen=True)
class BlufrTest:
    """The ten trials.

    Attributes:
        images: int64 array (n,), which images of the source are needed; features are given in
            this order.
        labels: int64 array (n,), their identities.
        trials: tuple of `Trial`.
        development: tuple (train, test) of rows of features, to choose a model by.
        missing: names of listed images that the source does not have, a tuple.
    """

    images: np.ndarray
    labels: np.ndarray
    trials: tuple
    development: tuple
    missing: tuple = ()


@dataclasses.dataclass(frozen=True)
class BlufrResult:
    """Numbers of BLUFR.

    Attributes:
        verification: `RateEstimate`, verification rate at FAR 0.1 %.
        identification: `RateEstimate`, rank-1 detection and identification rate at FAR 1 %.
        verification_below, identification_below: their means minus standard deviations, what the
            benchmark ranks by.
        verification_curve, identification_curve: `metrics.Curve`s, means over the trials.
        scores: number of pairs scored for verification, in all trials.
        missing: as in the test.
        learned: whether the scorer was learned from each trial's training images.
        how: how the numbers were obtained.
    """

    verification: RateEstimate
    identification: RateEstimate
    verification_below: float
    identification_below: float
    verification_curve: metrics.Curve
    identification_curve: metrics.Curve
    scores: int
    missing: tuple
    learned: bool
    how: str = HOW


def read_blufr(path, source, allow_missing=False):
    """Reads the benchmark's `blufr_lfw_config.mat`.

    Args:
        path: the file, MATLAB version 5 to 7.
        source: source of faces, or sequence of names PERSON/PERSON_0001.jpg.
        allow_missing: whether images that are not there are left out and counted.

    Returns:
        `BlufrTest`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is malformed; images are not there; labels disagree with the names; a
            trial has an empty part.
    """
    path = os.fspath(path)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f"No configuration {path}: check its name.")
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = scipy.io.loadmat(file)
        files = [str(cell[0]) for cell in content["imageList"].ravel()]
        labels = content["labels"].ravel().astype(np.int64)
        columns = [
            [_rows(cell, len(files)) for cell in content[name].ravel()]
            for name in ("trainIndex", "testIndex", "galIndex", "probIndex")
        ]
        development = [_rows(content[n], len(files)) for n in ("devTrainIndex", "devTestIndex")]
        trials = [Trial(*parts) for parts in zip(*columns, strict=True)]
    # loadmat raises all kinds of errors for files that are something else.
    except Exception as error:
        raise ValueError(f"{path} is not BLUFR's configuration file: {error!r}.") from None
    people = [os.path.splitext(name)[0].rpartition("_")[0] for name in files]
    _check_labels(path, labels, people)

    found = find_images(
        [f"{person}/{name}" for person, name in zip(people, files)], source, path, allow_missing
    )
    here = found >= 0
    row = np.cumsum(here) - 1
    trials = [Trial(*(row[part[here[part]]] for part in trial)) for trial in trials]
    for number, trial in enumerate(trials, start=1):
        for name, part in trial._asdict().items():
            if not len(part):
                raise ValueError(f"{path}: the {name} images of trial {number} are none.")
    if not trials:
        raise ValueError(f"{path} has no trial.")
    return BlufrTest(
        images=found[here],
        labels=labels[here],
        trials=tuple(trials),
        development=tuple(row[part[here[part]]] for part in development),
        missing=tuple(name for name, known in zip(files, here) if not known),
    )


def _rows(indexes, images):
    """Rows from 0, int64 (n,), of MATLAB's indexes from 1."""
    rows = np.asarray(indexes).ravel().astype(np.int64) - 1
    if len(rows) and (rows.min() < 0 or rows.max() >= images):
        raise ValueError(f"an index is outside the list of {images} images")
    return rows


def _check_labels(path, labels, people):
    if len(labels) != len(people):
        raise ValueError(f"{path} has {len(labels)} labels for {len(people)} images.")
    # One name a label and one label a name.
    name_of, label_of = {}, {}
    for label, person in zip(labels.tolist(), people):
        known = name_of.setdefault(label, person), label_of.setdefault(person, label)
        if known != (person, label):
            raise ValueError(
                f"{path}: labels disagree with names; {person} has label {label} here, but label "
                f"{label} is also {name_of[label]}'s, or {person} also has {label_of[person]}."
            )


def toolkit_threshold(impostor, far):
    """The threshold as the benchmark's toolkit sets it.

    Args:
        impostor: ascending float array (n,).
        far: the rate, from 0 to below 1.

    Returns:
        The k-th highest score, k = round(FAR · n), halves up; for k = 0 the next number above the
        highest one.
    """
    if not 0 <= far < 1:
        raise ValueError(f"A false accept rate must be from 0 to below 1, got {far}.")
    k = min(int(np.floor(far * len(impostor) + 0.5)), len(impostor))
    return float(impostor[-k]) if k else metrics.threshold_at_far(impostor, 0)


def all_pairs(scorer, features, labels, block=_BLOCK):
    """Scores of all pairs of images, sorted.

    They are kept in float32, 4 bytes a pair (200 MB for 10,000 images), and sorted in place.

    Args:
        scorer: has `score_matrix(a, b)`, symmetric.
        features: float array (n, d).
        labels: integer array (n,).
        block: images at a time whose scores with all before them are computed.

    Returns:
        `metrics.Scores`, float32, of the n (n - 1) / 2 pairs.
    """
    counts = np.unique(labels, return_counts=True)[1].astype(np.int64)
    pairs, same_pairs = (int((n * (n - 1) // 2).sum()) for n in (np.array([len(labels)]), counts))
    kinds = [np.empty(n, np.float32) for n in (same_pairs, pairs - same_pairs)]
    filled = [0, 0]
    for start in range(0, len(features), block):
        end = min(start + block, len(features))
        scores = np.asarray(scorer.score_matrix(features[start:end], features[:end]), np.float32)
        below = np.arange(end) < np.arange(start, end)[:, None]
        same = labels[start:end, None] == labels[:end]
        for kind, mask in enumerate((below & same, below & ~same)):
            chosen = scores[mask]
            kinds[kind][filled[kind] : filled[kind] + len(chosen)] = chosen
            filled[kind] += len(chosen)
    return metrics.Scores.sorting(*kinds)


def evaluate_blufr(features, test, make_scorer, learn=True, title=None):
    """Runs the trials.

    Args:
        features: float array (n, d), of `test.images`.
        test: `BlufrTest`.
        make_scorer: function that returns a scorer with `score_matrix(a, b)`. One with
            `fit(X, y)` is learned anew from each trial's training images.
        learn: False to take scorers as they come, such as one that was learned elsewhere.
        title: what a progress bar over the trials says in front; None for no bar.

    Returns:
        `BlufrResult`.
    """
    check_features(features, len(test.images))
    verified, identified, curves, searches = [], [], [], []
    scores, learned = 0, False
    grid = metrics.far_grid(10**7)
    open_grid = metrics.far_grid(10**4)
    bar = tqdm.tqdm(test.trials, desc=title, unit="trial", leave=False, disable=title is None)
    for trial in bar:
        scorer = make_scorer()
        if learn and hasattr(scorer, "fit"):
            scorer.fit(features[trial.train], test.labels[trial.train])
            learned = True
        pairs = all_pairs(scorer, features[trial.test], test.labels[trial.test])
        scores += sum(map(len, pairs))
        threshold = toolkit_threshold(pairs.impostor, VERIFICATION_FAR)
        verified.append(metrics.rate_at(*pairs, VERIFICATION_FAR, threshold).rate)
        curves.append(metrics.tar_curve(pairs, grid, toolkit_threshold))
        del pairs  # before the next trial's are made
        found = search(
            scorer,
            features[trial.gallery],
            test.labels[trial.gallery],
            features[trial.probes],
            test.labels[trial.probes],
        )
        identified.append(dir_at_far(found, IDENTIFICATION_FAR, 1, toolkit_threshold).rate)
        searches.append(dir_curve(found, 1, open_grid, toolkit_threshold))
    verification, identification = Estimate.of(verified), Estimate.of(identified)
    return BlufrResult(
        verification=RateEstimate(VERIFICATION_FAR, verification),
        identification=RateEstimate(IDENTIFICATION_FAR, identification),
        verification_below=verification.below,
        identification_below=identification.below,
        verification_curve=metrics.mean_curve(curves),
        identification_curve=metrics.mean_curve(searches),
        scores=scores,
        missing=test.missing,
        learned=learned,
    )
