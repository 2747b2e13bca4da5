"""IJB-A 1:1: whether two templates are of one person."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.text import read_lines
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
from sparseface_tf.evaluation.pairs import FARS, check_features, check_folds, score_pairs
from sparseface_tf.evaluation.sets import mean_scores

HOW = (
    "TAR in each split at its lowest threshold with at most floor(FAR * impostors) false "
    "accepts, not interpolated; mean and standard deviation over the splits."
)


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
    how: str


def read_verification(
    folder: str, source: Any, splits: Sequence[int] = SPLITS, allow_missing: bool = False
) -> TemplateTest:
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
        tables.append(read_table(table_path(folder, "verify_metadata", split)))
        comparisons.append(table_path(folder, "verify_comparisons", split))
    templates, images, missing = find_templates(tables, source, folder, allow_missing)
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


def evaluate_verification(
    features: NDArray,
    test: TemplateTest,
    scorer: Any,
    fars: Sequence[float] = FARS,
    fusion: str = "scores",
) -> TemplateVerification:
    """Runs the 1:1 protocol.

    Args:
        features: float array (n, d), of `test.images`.
        test: `TemplateTest` of `VerificationSplit`s.
        scorer: has `score_pairs(a, b)`, (p, d) and (p, d) -> (p,), and `score_matrix(a, b)`,
            (n, d) and (m, d) -> (n, m).
        fars: false accept rates to give the TAR at.
        fusion: one of `FUSIONS`.

    Returns:
        `TemplateVerification`.
    """
    check_features(features, len(test.images))
    splits = []
    for templates, pairs, same in test.splits:
        if fusion == "scores":
            scores: NDArray[np.floating] = mean_scores(
                faces_of(features, templates), pairs, scorer
            )
        else:
            scores = score_pairs(pool(features, templates), pairs, scorer)
        splits.append(metrics.Scores.of(scores, same))
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
        how=f"{FUSIONS[fusion]} {HOW}",
    )
