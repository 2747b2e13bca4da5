"""IJB-A (Klare et al., CVPR 2015): verification and search of templates.

A template is a set of photographs and video frames of one person. Its feature is the mean over its
media, a video counting as one medium: the mean of its frames.
"""

import csv
import dataclasses
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.faces.names import find_images
from pipelines.faces.text import read_lines
from pipelines.sources.boxed_faces import BoxedFace
from sparseface_tf.evaluation import metrics
from sparseface_tf.evaluation.estimate import Estimate, RateEstimate
from sparseface_tf.evaluation.pairs import FARS, check_features, check_folds, score_pairs
from sparseface_tf.evaluation.search import cmc, dir_at_far, dir_curve, search

SPLITS = tuple(range(1, 11))
FPIRS = (1e-1, 1e-2)
RANKS = 20
_COLUMNS = (
    *("TEMPLATE_ID", "SUBJECT_ID", "FILE", "MEDIA_ID"),
    *("FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT"),
)


class Templates(NamedTuple):
    """Templates and what they are made of.

    Attributes:
        ids: int64 array (t,), the templates' ids as published, ascending.
        subjects: int64 array (t,), the identities' ids as published.
        rows: int64 array (k,), rows of features.
        media: int64 array (k,), number of each row's medium, ascending.
        media_template: int64 array (m,), for each medium its place in `ids`, ascending.
    """

    ids: np.ndarray
    subjects: np.ndarray
    rows: np.ndarray
    media: np.ndarray
    media_template: np.ndarray


class VerificationSplit(NamedTuple):
    """A split of 1:1.

    Attributes:
        templates: `Templates`.
        pairs: int64 array (p, 2), places of the templates.
        same: bool array (p,).
    """

    templates: Templates
    pairs: np.ndarray
    same: np.ndarray


class SearchSplit(NamedTuple):
    """A split of 1:N: `Templates` of the gallery and of the probes."""

    gallery: Templates
    probes: Templates


@dataclasses.dataclass(frozen=True)
class TemplateTest:
    """The splits of either protocol.

    Attributes:
        images: int64 array (n,), ascending; which faces of the source are needed. Features are
            given in this order.
        splits: tuple of `VerificationSplit` or `SearchSplit`.
        missing: names of faces that the tables have and the source does not, a tuple.
        left_out: number of comparisons (1:1) or templates (1:N) left out for that; a template that
            still has a face stays.
    """

    images: np.ndarray
    splits: tuple
    missing: tuple = ()
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class TemplateVerification:
    """Numbers of 1:1; every `Estimate` is over the splits.

    Attributes:
        tar_at_far: tuple of `RateEstimate`.
        auc, eer: `Estimate`s.
        curve: `metrics.Curve` of TAR over FAR, mean over the splits.
        comparisons: number of them in all splits.
        missing, left_out: as in the test.
        how: how the numbers were obtained.
    """

    tar_at_far: tuple
    auc: Estimate
    eer: Estimate
    curve: metrics.Curve
    comparisons: int
    missing: tuple
    left_out: int
    how: str = (
        "A template's feature is the mean over its media, that of a video the mean of its frames. "
        "TAR in each split at its lowest threshold with at most floor(FAR * impostors) false "
        "accepts, not interpolated; mean and standard deviation over the splits."
    )


@dataclasses.dataclass(frozen=True)
class TemplateSearch:
    """Numbers of 1:N; every `Estimate` is over the splits.

    Attributes:
        rank_1, rank_5: `Estimate`s of the share of the probes in the gallery found at this rank or
            better.
        cmc: that share at rank 1, 2, …, mean over the splits.
        tpir_at_fpir: tuple of `RateEstimate`; empty if a split has no probe of somebody who is
            not in the gallery.
        curve: `metrics.Curve` of TPIR over FPIR, mean over the splits; None likewise.
        missing, left_out: as in the test.
        how: how the numbers were obtained.
    """

    rank_1: Estimate
    rank_5: Estimate
    cmc: tuple
    tpir_at_fpir: tuple
    curve: metrics.Curve | None
    missing: tuple
    left_out: int
    how: str = (
        "A template's feature is the mean over its media, that of a video the mean of its frames. "
        "Ranks of the probes in the gallery, ties counting against them. TPIR: share of those whose "
        "identity scores not below the threshold, at any rank: the lowest one that at most "
        "floor(FPIR * n) of the n other probes reach; mean and standard deviation over the "
        "splits."
    )


def splits_in(folder):
    """Numbers of the splits whose tables are in a folder; the published sets have ten."""
    tables = [(n, name) for n in SPLITS for name in ("verify_metadata", "search_gallery")]
    found = {n for n, name in tables if tf.io.gfile.exists(_table(folder, name, n))}
    return tuple(sorted(found))


def read_faces(folder, splits=SPLITS):
    """All faces in the tables of either protocol, for `pipelines.boxed_faces.BoxedFaces`.

    Args:
        folder: folder of the tables, see `read_verification` and `read_search`.
        splits: the splits' numbers.

    Returns:
        Sorted list of `BoxedFace`.

    Raises:
        FileNotFoundError: if there is no table.
        ValueError: for a malformed one.
    """
    faces = set()
    for split in splits:
        for name in ("verify_metadata", "search_gallery", "search_probe"):
            path = _table(folder, name, split)
            if tf.io.gfile.exists(path):
                faces.update(row.face for row in _read_table(path))
    if not faces:
        raise FileNotFoundError(
            f"No verify_metadata_N.csv nor search_gallery_N.csv in {folder} or {folder}/splitN: "
            "give the folder of one of IJB-A's protocols."
        )
    return sorted(faces)


def read_verification(folder, source, splits=SPLITS, allow_missing=False):
    """Reads the 1:1 protocol.

    For each split N, in `folder` or in `folder`/splitN: verify_metadata_N.csv, a table with a face
    a line, and verify_comparisons_N.csv, without headings, the ids of two templates a line.

    Args:
        folder: folder of the tables.
        source: source of faces named as `BoxedFace.name`, or sequence of such names.
        splits: the splits' numbers.
        allow_missing: whether faces that are not there are left out and counted.

    Returns:
        `TemplateTest` of `VerificationSplit`s.

    Raises:
        FileNotFoundError: if a table is not there.
        ValueError: for a malformed line, with its number; faces that are not there; a template of
            two subjects; a split without comparisons of either kind.
    """
    tables, comparisons = [], []
    for split in splits:
        tables.append(_read_table(_table(folder, "verify_metadata", split)))
        comparisons.append(_table(folder, "verify_comparisons", split))
    templates, images, missing = _find(tables, source, folder, allow_missing)
    parts, left_out = [], 0
    for path, table, found in zip(comparisons, tables, templates):
        listed = _read_comparisons(path, {row.template for row in table})
        place = np.searchsorted(found.ids, listed).clip(max=len(found.ids) - 1)
        kept = (found.ids[place] == listed).all(1)
        pairs = place[kept]
        same = found.subjects[pairs[:, 0]] == found.subjects[pairs[:, 1]]
        check_folds(same, np.zeros(len(same), int), [0], path)
        parts.append(VerificationSplit(found, pairs, same))
        left_out += int((~kept).sum())
    return TemplateTest(images, tuple(parts), missing, left_out)


def read_search(folder, source, splits=SPLITS, allow_missing=False):
    """Reads the 1:N protocol.

    For each split N, in `folder` or in `folder`/splitN: search_gallery_N.csv and
    search_probe_N.csv, tables with a face a line.

    Args:
        folder, source, splits, allow_missing: see `read_verification`.

    Returns:
        `TemplateTest` of `SearchSplit`s.

    Raises:
        FileNotFoundError: if a table is not there.
        ValueError: for a malformed line, with its number; faces that are not there; a template of
            two subjects; a split without probes of anybody in the gallery.
    """
    names = [(split, name) for split in splits for name in ("search_gallery", "search_probe")]
    paths = [_table(folder, name, split) for split, name in names]
    tables = [_read_table(path) for path in paths]
    templates, images, missing = _find(tables, source, folder, allow_missing)
    listed = sum(len({row.template for row in table}) for table in tables)
    parts = []
    for path, gallery, probes in zip(paths[1::2], templates[::2], templates[1::2]):
        if not np.isin(probes.subjects, gallery.subjects).any():
            raise ValueError(f"{path}: no probe is of anybody in the gallery.")
        parts.append(SearchSplit(gallery, probes))
    return TemplateTest(
        images, tuple(parts), missing, listed - sum(len(found.ids) for found in templates)
    )


class _Row(NamedTuple):
    template: int
    subject: int
    media: str
    face: BoxedFace


def _table(folder, name, split):
    """Path of a table, in a folder for each split or all in one."""
    own = os.path.join(folder, f"split{split}", f"{name}_{split}.csv")
    return own if tf.io.gfile.exists(own) else os.path.join(folder, f"{name}_{split}.csv")


def _read_table(path):
    """The lines of a table of faces, list of `_Row`."""
    lines = read_lines(path, "table of IJB-A")
    table = csv.reader([line for _, line in lines])
    header = [name.strip().upper() for name in next(table, [])]
    lacking = [name for name in _COLUMNS if name not in header]
    if lacking:
        raise ValueError(f"{path} lacks the columns {', '.join(lacking)}.")
    columns = [header.index(name) for name in _COLUMNS]
    rows, subjects = [], {}
    for (number, line), fields in zip(lines[1:], table):
        try:
            template, subject, file, media, *box = (fields[i].strip() for i in columns)
            box = tuple(float(x) for x in box)
            row = _Row(int(template), int(subject), media, BoxedFace(subject, file, box))
            if not file or not media or not np.isfinite(box).all() or min(box[2:]) <= 0:
                raise ValueError
        except (ValueError, IndexError):
            raise ValueError(
                f"{path}, line {number}: expected whole numbers for template and subject, a file, "
                f"a medium and a box larger than nothing, got {line.strip()!r}."
            ) from None
        if subjects.setdefault(row.template, row.subject) != row.subject:
            raise ValueError(
                f"{path}, line {number}: template {row.template} is of subject {row.subject}, in a "
                f"line before of {subjects[row.template]}."
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} lists no face.")
    return rows


def _read_comparisons(path, templates):
    """Ids of the templates to compare, int64 (p, 2)."""
    pairs = []
    for number, line in read_lines(path, "list of comparisons"):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 2 or not all(field.isascii() and field.isdigit() for field in fields):
            raise ValueError(
                f"{path}, line {number}: expected the ids of two templates, got {line.strip()!r}."
            )
        pairs.append([int(field) for field in fields])
        unknown = [i for i in pairs[-1] if i not in templates]
        if unknown:
            raise ValueError(f"{path}, line {number}: no template {unknown[0]} in the metadata.")
    if not pairs:
        raise ValueError(f"{path} lists no comparison.")
    return np.array(pairs, np.int64)


def _find(tables, source, folder, allow_missing):
    """`Templates` of each table with rows of the features needed by all of them.

    Returns:
        List of `Templates`, the numbers of the faces needed in the source, names of those missing.
    """
    # The same face is in many lines and splits.
    faces = list(dict.fromkeys(row.face.name for table in tables for row in table))
    numbers = find_images(faces, source, os.fspath(folder), allow_missing)
    images = np.unique(numbers[numbers >= 0])
    row_of = dict(zip(faces, np.where(numbers < 0, -1, np.searchsorted(images, numbers)).tolist()))
    found = [
        _templates([(row_of[row.face.name], row) for row in table if row_of[row.face.name] >= 0])
        for table in tables
    ]
    if any(not len(templates.ids) for templates in found):
        raise ValueError(f"A table of {folder} has no face left that is among the faces.")
    return found, images, tuple(name for name, i in zip(faces, numbers) if i < 0)


def _templates(rows):
    """`Templates` of (row of features, `_Row`) pairs."""
    if not rows:
        return Templates(*(np.zeros(0, np.int64) for _ in Templates._fields))
    rows = sorted(rows, key=lambda row: (row[1].template, row[1].media))
    subjects = {row.template: row.subject for _, row in rows}
    ids = np.array(sorted(subjects), np.int64)
    media = list(dict.fromkeys((row.template, row.media) for _, row in rows))
    number = {medium: i for i, medium in enumerate(media)}
    return Templates(
        ids=ids,
        subjects=np.array([subjects[i] for i in ids.tolist()], np.int64),
        rows=np.array([row for row, _ in rows], np.int64),
        media=np.array([number[row.template, row.media] for _, row in rows], np.int64),
        media_template=np.searchsorted(ids, [template for template, _ in media]),
    )


def pool(features, templates):
    """Features of templates: the mean over their media, that of a medium the mean of its rows.

    Args:
        features: float array (n, d).
        templates: `Templates`.

    Returns:
        Array (t, d) of the features' type.
    """
    return _means(_means(features[templates.rows], templates.media), templates.media_template)


def _means(rows, groups):
    """Means of the rows of each group, which are ascending numbers without gaps."""
    starts, counts = np.unique(groups, return_index=True, return_counts=True)[1:]
    sums = np.add.reduceat(rows.astype(np.float64), starts, axis=0)
    return (sums / counts[:, None]).astype(rows.dtype)


def evaluate_verification(features, test, scorer, fars=FARS):
    """Runs the 1:1 protocol.

    Args:
        features: float array (n, d), of `test.images`.
        test: `TemplateTest` of `VerificationSplit`s.
        scorer: has `score_pairs(a, b)`, (p, d) and (p, d) -> (p,).
        fars: false accept rates to give the TAR at.

    Returns:
        `TemplateVerification`.
    """
    check_features(features, len(test.images))
    splits = [
        metrics.Scores.of(score_pairs(pool(features, templates), pairs, scorer), same)
        for templates, pairs, same in test.splits
    ]
    rocs = [metrics.roc(scores) for scores in splits]
    grid = metrics.far_grid(min(len(scores.impostor) for scores in splits))
    return TemplateVerification(
        tar_at_far=tuple(
            RateEstimate(far, Estimate.of([metrics.tar_at_far(s, far).rate for s in splits], "splits"))
            for far in fars
        ),
        auc=Estimate.of([metrics.auc(curve) for curve in rocs], "splits"),
        eer=Estimate.of([metrics.eer(curve) for curve in rocs], "splits"),
        curve=metrics.mean_curve([metrics.tar_curve(scores, grid) for scores in splits]),
        comparisons=sum(len(split.pairs) for split in test.splits),
        missing=test.missing,
        left_out=test.left_out,
    )


def evaluate_search(features, test, scorer, fpirs=FPIRS, ranks=RANKS):
    """Runs the 1:N protocol.

    Args:
        features: float array (n, d), of `test.images`.
        test: `TemplateTest` of `SearchSplit`s.
        scorer: has `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m).
        fpirs: false positive identification rates to give the TPIR at.
        ranks: length of the CMC, at least 5.

    Returns:
        `TemplateSearch`.
    """
    check_features(features, len(test.images))
    splits = [
        search(
            scorer,
            pool(features, gallery),
            gallery.subjects,
            pool(features, probes),
            probes.subjects,
        )
        for gallery, probes in test.splits
    ]
    curves = np.array([cmc(found, ranks) for found in splits])
    tpir, curve = (), None
    if not any(found.mated.all() for found in splits):
        tpir = tuple(
            RateEstimate(far, Estimate.of([dir_at_far(f, far, rank=None).rate for f in splits], "splits"))
            for far in fpirs
        )
        grid = metrics.far_grid(min(int((~found.mated).sum()) for found in splits))
        curve = metrics.mean_curve([dir_curve(found, None, grid) for found in splits])
    return TemplateSearch(
        rank_1=Estimate.of(curves[:, 0], "splits"),
        rank_5=Estimate.of(curves[:, 4], "splits"),
        cmc=tuple(curves.mean(0).tolist()),
        tpir_at_fpir=tpir,
        curve=curve,
        missing=test.missing,
        left_out=test.left_out,
    )
