"""Reading the five landmarks of faces from a table, and adding to it."""

import csv
import io
import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from pipelines.faces.names import Names
from pipelines.files import write_atomically

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
NUMBERS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")


def read_landmarks(path: str | os.PathLike) -> dict[str, NDArray[np.float32]]:
    """Reads a landmarks.csv.

    The table has a header; its columns are found by name: `path`, and for each of the five
    landmarks `left_eye_x`, `left_eye_y`, … (left means the viewer's left), in pixels of the stored
    image. Other columns are ignored. A row whose ten numbers are all empty says that the
    landmarks of that image are not known.

    Args:
        path: the file; any path that `tf.io.gfile` reads.

    Returns:
        A dict from the image's path as the table gives it to a float32 array (5, 2) of x and y,
        NaN where not known.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a missing column or a malformed row, with its line number.
    """
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f"No landmarks file {path}: check its name.")
    table: dict[str, NDArray[np.float32]] = {}
    with tf.io.gfile.GFile(path) as file:
        rows = csv.reader(file)
        try:
            header = [name.strip().removeprefix("\ufeff") for name in next(rows, [])]
            missing = [name for name in ["path", *NUMBERS] if name not in header]
            if missing:
                raise ValueError(
                    f"{path}, line 1: no column '{missing[0]}' in the header; "
                    f"needed are path and {', '.join(NUMBERS)}."
                )
            name_at, numbers_at = header.index("path"), [header.index(c) for c in NUMBERS]
            for row in rows:
                if row:
                    table[_field(row, name_at)] = _numbers(row, numbers_at)
        except (_MalformedRow, csv.Error) as error:
            raise ValueError(f"{path}, line {rows.line_num}: {error}.") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path}, line {rows.line_num + 1}: the text is not UTF-8.") from None
    return table


def add_landmarks(
    path: str | os.PathLike, rows: Mapping[str, tuple[float | None, ArrayLike | None]]
) -> None:
    """Adds rows to a landmarks.csv on disk, which is made if it is not there.

    What the table holds stays as it is, byte for byte; of images that it has, no row is added. A
    kill at any moment leaves the old table or the new one.

    Args:
        path: the file.
        rows: dict from an image's path to its confidence and its landmarks, a real array (5, 2)
            of x and y in pixels; None for landmarks that are not known.

    Raises:
        ValueError: if the table is malformed.
        OSError: if it cannot be written.
    """
    path = os.path.realpath(path)  # a link stays one
    content, header, newline = b"", ["path", "confidence", *NUMBERS], "\n"
    if os.path.exists(path):
        known = read_landmarks(path)
        there = Names([*known])
        rows = {name: row for name, row in rows.items() if there.find(name) < 0}
        with open(path, "rb") as file:
            content = file.read()
        text = content.decode("utf-8")
        header = next(csv.reader(io.StringIO(text, newline="")))
        header = [name.strip().removeprefix("\ufeff") for name in header]
        newline = "\r\n" if "\r\n" in text else "\n"
    if not rows:
        return

    added = io.StringIO(newline="")
    if content and not content.endswith((b"\n", b"\r")):
        added.write(newline)
    writer = csv.DictWriter(added, header, extrasaction="ignore", lineterminator=newline)
    if not content:
        writer.writeheader()
    for name, (confidence, landmarks) in rows.items():
        row = {"path": name}
        if landmarks is not None:
            row["confidence"] = f"{confidence:.4f}"
            row |= zip(NUMBERS, (f"{number:.2f}" for number in np.reshape(landmarks, 10)))
        writer.writerow(row)
    content += added.getvalue().encode("utf-8")
    write_atomically(path, lambda file: file.write(content))


class _MalformedRow(Exception):
    """What is wrong with a row, without its line number."""


def _field(row, at):
    if at >= len(row):
        raise _MalformedRow(f"the row has only {len(row)} fields")
    return row[at].strip()


def _numbers(row, columns):
    texts = [_field(row, at) for at in columns]
    if not any(texts):
        return np.full((5, 2), np.nan, np.float32)
    try:
        numbers = np.array([float(text) for text in texts], np.float32)
    except ValueError:
        raise _MalformedRow(f"ten numbers expected, got {', '.join(texts)}") from None
    return numbers.reshape(5, 2)
