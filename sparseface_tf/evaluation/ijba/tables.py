"""The published tables of IJB-A: a face a line, in ten splits."""

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.faces.text import read_lines
from pipelines.sources.boxed_faces import BoxedFace

SPLITS = tuple(range(1, 11))
_COLUMNS = (
    *("TEMPLATE_ID", "SUBJECT_ID", "FILE", "MEDIA_ID"),
    *("FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT"),
)


class Row(NamedTuple):
    """A line: the ids of template and subject, the medium, and the face."""

    template: int
    subject: int
    media: str
    face: BoxedFace


def splits_in(folder: str) -> tuple[int, ...]:
    """Numbers of the splits whose tables are in a folder; the published sets have ten."""
    tables = [(n, name) for n in SPLITS for name in ("verify_metadata", "search_gallery")]
    found = {n for n, name in tables if tf.io.gfile.exists(table_path(folder, name, n))}
    return tuple(sorted(found))


def read_faces(folder: str, splits: Sequence[int] = SPLITS) -> list[BoxedFace]:
    """All faces in the tables of either protocol, for `pipelines.sources.boxed_faces.BoxedFaces`.

    Args:
        folder: folder of the tables, see `ijba.read_verification` and `ijba.read_search`.
        splits: the splits' numbers.

    Returns:
        Sorted list of `BoxedFace`.

    Raises:
        FileNotFoundError: if there is no table.
        ValueError: for a malformed one.
    """
    faces: dict[str, BoxedFace] = {}
    for split in splits:
        for name in ("verify_metadata", "search_gallery", "search_probe"):
            path = table_path(folder, name, split)
            if tf.io.gfile.exists(path):
                for row in read_table(path):
                    faces.setdefault(row.face.name, row.face)
    if not faces:
        raise FileNotFoundError(
            f"No verify_metadata_N.csv nor search_gallery_N.csv in {folder} or {folder}/splitN: "
            "give the folder of one of IJB-A's protocols."
        )
    return sorted(faces.values())


def table_path(folder, name, split):
    """Path of a table, in a folder for each split or all in one."""
    own = os.path.join(folder, f"split{split}", f"{name}_{split}.csv")
    return own if tf.io.gfile.exists(own) else os.path.join(folder, f"{name}_{split}.csv")


def read_table(path):
    """The lines of a table of faces, list of `Row`."""
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
            row = _row(f"{os.path.basename(path)}, line {number}", *(fields[i].strip() for i in columns))
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


def _row(where, template, subject, file, media, *box):
    """The `Row` of a line's fields, which are strings; ValueError if they make none."""
    box = tuple(float(x) for x in box)
    row = Row(int(template), int(subject), media, BoxedFace(subject, file, box, where))
    if not file or not media or not np.isfinite(box).all() or min(box[2:]) <= 0:
        raise ValueError
    return row
