"""Templates: which faces they are made of, and their features."""

import dataclasses
import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.names import find_images

# How templates are compared, and what a report says of it. The paper gives the first for videos
# (Sec. 5) and does not say how it compared templates.
FUSIONS = {
    "scores": (
        "The score of two templates is the mean of the scores of all pairs of a face of one and a "
        "face of the other, as the paper takes it for videos."
    ),
    "features": (
        "A template's feature is the mean over its media, that of a video the mean of its frames."
    ),
}


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


@dataclasses.dataclass(frozen=True)
class TemplateTest:
    """The splits of either protocol.

    Attributes:
        images: int64 array (n,), ascending; which faces of the source are needed. Features are
            given in this order.
        splits: tuple of `VerificationSplit` or `SearchSplit`, of 1:1 or 1:N.
        missing: names of faces that the tables have and the source does not, a tuple.
        left_out: number of comparisons (1:1) or templates (1:N) left out for that; a template that
            still has a face stays.
    """

    images: np.ndarray
    splits: tuple
    missing: tuple = ()
    left_out: int = 0


def find_templates(tables, source, folder, allow_missing):
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
    """`Templates` of (row of features, `Row`) pairs."""
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


def pool(features: NDArray, templates: Templates) -> NDArray:
    """Features of templates: the mean over their media, that of a medium the mean of its rows.

    Args:
        features: float array (n, d).
        templates: `Templates`.

    Returns:
        Array (t, d) of the features' type.
    """
    return _means(_means(features[templates.rows], templates.media), templates.media_template)


def faces_of(features: NDArray, templates: Templates) -> list[NDArray]:
    """Features of the faces of each template.

    Args:
        features: float array (n, d).
        templates: `Templates`.

    Returns:
        List of arrays (faces, d), a template each.
    """
    owner = templates.media_template[templates.media]
    return np.split(features[templates.rows], np.flatnonzero(np.diff(owner)) + 1)


def _means(rows, groups):
    """Means of the rows of each group, which are ascending numbers without gaps."""
    starts, counts = np.unique(groups, return_index=True, return_counts=True)[1:]
    sums = np.add.reduceat(rows.astype(np.float64), starts, axis=0)
    return (sums / counts[:, None]).astype(rows.dtype)
