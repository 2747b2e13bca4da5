"""IJB-A 1:N: whose template, of a gallery, a probe is."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparseface_tf.evaluation import metrics
from sparseface_tf.evaluation.estimate import Estimate, RateEstimate
from sparseface_tf.evaluation.ijba.tables import SPLITS, read_table, table_path
from sparseface_tf.evaluation.ijba.templates import (
    FUSIONS,
    Templates,
    TemplateTest,
    faces_of,
    find_templates,
    pool,
)
from sparseface_tf.evaluation.pairs import check_features
from sparseface_tf.evaluation.search import cmc, dir_at_far, dir_curve, search
from sparseface_tf.evaluation.sets import SetScorer

HOW = (
    "Ranks of the probes in the gallery, ties counting against them. TPIR: share of those whose "
    "identity scores not below the threshold, at any rank: the lowest one that at most "
    "floor(FPIR * n) of the n other probes reach; mean and standard deviation over the splits."
)

FPIRS = (1e-1, 1e-2)
RANKS = 20


class SearchSplit(NamedTuple):
    """A split of 1:N: `Templates` of the gallery and of the probes."""

    gallery: Templates
    probes: Templates


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
    how: str


def read_search(
    folder: str, source: Any, splits: Sequence[int] = SPLITS, allow_missing: bool = False
) -> TemplateTest:
    """Reads the 1:N protocol.

    For each split N, in `folder` or in `folder`/splitN: search_gallery_N.csv and
    search_probe_N.csv, tables with a face a line.

    Args:
        folder, source, splits, allow_missing: see `ijba.read_verification`.

    Returns:
        `TemplateTest` of `SearchSplit`s.

    Raises:
        FileNotFoundError: if a table is not there.
        ValueError: for a malformed line, with its number; faces that are not there; a template of
            two subjects; a split without probes of anybody in the gallery.
    """
    names = [(split, name) for split in splits for name in ("search_gallery", "search_probe")]
    paths = [table_path(folder, name, split) for split, name in names]
    tables = [read_table(path) for path in paths]
    templates, images, missing = find_templates(tables, source, folder, allow_missing)
    listed = sum(len({row.template for row in table}) for table in tables)
    parts = []
    for path, gallery, probes in zip(paths[1::2], templates[::2], templates[1::2]):
        if not np.isin(probes.subjects, gallery.subjects).any():
            raise ValueError(f"{path}: no probe is of anybody in the gallery.")
        parts.append(SearchSplit(gallery, probes))
    return TemplateTest(
        images, tuple(parts), missing, listed - sum(len(found.ids) for found in templates)
    )


def evaluate_search(
    features: NDArray,
    test: TemplateTest,
    scorer: Any,
    fpirs: Sequence[float] = FPIRS,
    ranks: int = RANKS,
    fusion: str = "scores",
) -> TemplateSearch:
    """Runs the 1:N protocol.

    Args:
        features: float array (n, d), of `test.images`.
        test: `TemplateTest` of `SearchSplit`s.
        scorer: has `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m).
        fpirs: false positive identification rates to give the TPIR at.
        ranks: length of the CMC, at least 5.
        fusion: one of `FUSIONS`.

    Returns:
        `TemplateSearch`.
    """
    check_features(features, len(test.images))
    splits = []
    for split in test.splits:
        if fusion == "scores":
            # Places in one list of all templates, in place of features.
            sets = [faces_of(features, templates) for templates in split]
            compare = SetScorer(scorer, sets[0] + sets[1])
            gallery, probes = np.split(np.arange(len(sets[0]) + len(sets[1])), [len(sets[0])])
        else:
            compare, (gallery, probes) = scorer, [pool(features, each) for each in split]
        subjects = (split.gallery.subjects, split.probes.subjects)
        splits.append(search(compare, gallery, subjects[0], probes, subjects[1]))
    curves = np.array([cmc(found, ranks) for found in splits])
    tpir: tuple[RateEstimate, ...] = ()
    curve = None
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
        how=f"{FUSIONS[fusion]} {HOW}",
    )
