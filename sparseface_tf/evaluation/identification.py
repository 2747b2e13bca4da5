"""Identification on LFW with the sizes of Best-Rowden et al. (2014), closed and open set.

A gallery has one image a person. Closed set: each probe is of somebody in it, the number is how
often that person is found first. Open set: most probes are of nobody in it, and a person found
counts only if the score is above that of all but 1 % of those.
"""

import dataclasses
import json
import os
from typing import NamedTuple

import numpy as np

from pipelines.faces.names import find_images
from pipelines.faces.text import read_lines
from sparseface_tf.evaluation.bootstrap import interval_of_share
from sparseface_tf.evaluation.estimate import Estimate, RateEstimate
from sparseface_tf.evaluation.metrics import Curve, far_grid, mean_curve
from sparseface_tf.evaluation.pairs import check_features
from sparseface_tf.evaluation.search import cmc, dir_at_far, dir_curve, search

RANKS = 100
FAR = 0.01


class ClosedTrial(NamedTuple):
    """Rows of features, int64 arrays: every probe's identity is in the gallery."""

    gallery: np.ndarray
    probes: np.ndarray


class OpenTrial(NamedTuple):
    """Rows of features, int64 arrays: no impostor's identity is in the gallery."""

    gallery: np.ndarray
    genuine: np.ndarray
    impostors: np.ndarray


@dataclasses.dataclass(frozen=True)
class IdentificationTest:
    """Trials of identification.

    Attributes:
        images: int64 array (n,), which images of the source are needed; features are given in
            this order.
        labels: int64 array (n,), their identities, by name.
        closed: tuple of `ClosedTrial`.
        open: tuple of `OpenTrial`.
        missing: names of listed images that the source does not have, a tuple.
        left_out: places in galleries and among probes left out for that, in all trials.
    """

    images: np.ndarray
    labels: np.ndarray
    closed: tuple
    open: tuple
    missing: tuple = ()
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class ClosedResult:
    """Numbers of closed-set identification.

    Attributes:
        rank_1: `Estimate` over the trials, its interval over the probes' identities.
        cmc: share found at rank 1, 2, … or better, mean over the trials.
        missing, left_out: as in the test.
        how: how the numbers were obtained.
    """

    rank_1: Estimate
    cmc: tuple
    missing: tuple
    left_out: int
    how: str = (
        "Share of the probes whose identity scores highest in the gallery of one image an "
        "identity, ties counting against the probe; mean over the trials. The trials are drawn from "
        "the same people, so the 95 % interval is by bootstrap over identities, galleries fixed."
    )


@dataclasses.dataclass(frozen=True)
class OpenResult:
    """Numbers of open-set identification.

    Attributes:
        rank_1: `RateEstimate`, rank-1 detection and identification rate at 1 % false alarms, its
            interval over the genuine probes' identities.
        curve: `Curve` of that rate over false alarms, mean over the trials.
        missing, left_out: as in the test.
        how: how the numbers were obtained.
    """

    rank_1: RateEstimate
    curve: Curve
    missing: tuple
    left_out: int
    how: str = (
        "Share of the genuine probes whose identity scores highest, and not below the threshold: "
        "the lowest one that at most floor(FAR * impostors) impostor probes reach with their best "
        "score, not interpolated; mean over the trials. 95 % interval by bootstrap over the genuine "
        "probes' identities, galleries and thresholds fixed."
    )


def read_identification(path, source, allow_missing=False):
    """Reads the lists.

    The file is a JSON object: `images`, names IDENTITY/IMAGE; `closed`, trials with `gallery` and
    `probe`; `open`, trials with `gallery`, `genuine_probe` and `impostor_probe`, all lists of
    indexes into `images` from 0.

    Args:
        path: the file.
        source: source of faces, or sequence of names.
        allow_missing: whether images that are not there are left out and counted, with the probes
            that lose their image in the gallery.

    Returns:
        `IdentificationTest`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is malformed; images are not there; a trial contradicts the names.
    """
    path = os.fspath(path)
    text = "\n".join(line for _, line in read_lines(path, "list of identification trials"))
    try:
        lists = json.loads(text)
        names = [str(name) for name in lists["images"]]
        closed = [ClosedTrial(*_indexes(t, "gallery", "probe")) for t in lists["closed"]]
        open_ = [
            OpenTrial(*_indexes(t, "gallery", "genuine_probe", "impostor_probe"))
            for t in lists["open"]
        ]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} is not a list of identification trials: {error!r}.") from None
    labels = np.unique([os.path.dirname(name) for name in names], return_inverse=True)[1]
    for kind, trials in (("closed", closed), ("open", open_)):
        if not trials:
            raise ValueError(f"{path} has no {kind} trial.")
        for number, trial in enumerate(trials, start=1):
            _check(f"{path}, {kind} trial {number}", trial, labels)

    found = find_images(names, source, path, allow_missing)
    here = found >= 0
    row = np.cumsum(here) - 1
    kept_closed = [_keep(trial, here, row, labels) for trial in closed]
    kept_open = [_keep(trial, here, row, labels) for trial in open_]
    for kind, trials in (("closed", kept_closed), ("open", kept_open)):
        for number, trial in enumerate(trials, start=1):
            for part, rows in trial._asdict().items():
                if not len(rows):
                    raise ValueError(f"{path}, {kind} trial {number}: no {part} is left.")
    before, after = (sum(map(len, sum(t, ()))) for t in (closed + open_, kept_closed + kept_open))
    return IdentificationTest(
        images=found[here],
        labels=labels[here].astype(np.int64),
        closed=tuple(kept_closed),
        open=tuple(kept_open),
        missing=tuple(name for name, known in zip(names, here) if not known),
        left_out=before - after,
    )


def _indexes(trial, *parts):
    arrays = [np.array(trial[part]) for part in parts]
    for part, array in zip(parts, arrays):
        if array.ndim != 1 or (array.size and array.dtype.kind != "i"):
            raise ValueError(f"{part} is not a list of whole numbers")
    return [array.astype(np.int64) for array in arrays]


def _check(where, trial, labels):
    """Refuses a trial with indexes out of range, or whose parts are not what they should be."""
    for part, rows in trial._asdict().items():
        if not len(rows):
            raise ValueError(f"{where}: {part} is empty.")
        if rows.min() < 0 or rows.max() >= len(labels):
            raise ValueError(f"{where}: {part} has an index outside the list of images.")
    gallery = labels[trial.gallery]
    if len(np.unique(gallery)) < len(gallery):
        raise ValueError(f"{where}: the gallery has several images of an identity.")
    if not np.isin(labels[trial[1]], gallery).all():
        raise ValueError(f"{where}: there are probes whose identity is not in the gallery.")
    if len(trial) > 2 and np.isin(labels[trial.impostors], gallery).any():
        raise ValueError(f"{where}: there are impostors whose identity is in the gallery.")


def _keep(trial, here, row, labels):
    """The trial without missing images, as rows of features."""
    gallery, probes, *impostors = (part[here[part]] for part in trial)
    probes = probes[np.isin(labels[probes], labels[gallery])]
    return type(trial)(*(row[part] for part in (gallery, probes, *impostors)))


def evaluate_closed(features, test, scorer, ranks=RANKS):
    """Closed-set identification.

    Args:
        features: float array (n, d), of `test.images`.
        test: `IdentificationTest`.
        scorer: has `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m).
        ranks: length of the CMC.

    Returns:
        `ClosedResult`.
    """
    check_features(features, len(test.images))
    curves, hits, people = [], [], []
    for gallery, probes in test.closed:
        found = search(
            scorer, features[gallery], test.labels[gallery], features[probes], test.labels[probes]
        )
        curves.append(cmc(found, min(ranks, len(gallery))))
        hits.append(found.rank == 1)
        people.append(test.labels[probes])
    shortest = min(map(len, curves))
    return ClosedResult(
        rank_1=_over_identities([curve[0] for curve in curves], hits, people),
        cmc=tuple(np.mean([curve[:shortest] for curve in curves], axis=0).tolist()),
        missing=test.missing,
        left_out=test.left_out,
    )


def evaluate_open(features, test, scorer, far=FAR):
    """Open-set identification; arguments as `evaluate_closed`, and the rate of false alarms.

    Returns:
        `OpenResult`.
    """
    check_features(features, len(test.images))
    rates, curves, hits = [], [], []
    grid = far_grid(min(len(trial.impostors) for trial in test.open))
    for gallery, genuine, impostors in test.open:
        probes = np.concatenate([genuine, impostors])
        found = search(
            scorer, features[gallery], test.labels[gallery], features[probes], test.labels[probes]
        )
        rate = dir_at_far(found, far)
        rates.append(rate.rate)
        curves.append(dir_curve(found, far=grid))
        hits.append(((found.rank == 1) & (found.own >= rate.threshold))[: len(genuine)])
    people = [test.labels[trial.genuine] for trial in test.open]
    return OpenResult(
        rank_1=RateEstimate(far, _over_identities(rates, hits, people)),
        curve=mean_curve(curves),
        missing=test.missing,
        left_out=test.left_out,
    )


def _over_identities(rates, hits, people):
    """`Estimate` of rates over trials, whose interval is over the probes' identities."""
    people = np.concatenate(people)
    return dataclasses.replace(
        Estimate.of(rates),
        interval=interval_of_share(np.concatenate(hits), people),
        over=f"{len(np.unique(people)):,} identities",
    )
