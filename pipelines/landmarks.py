"""Reading the five landmarks of faces from a table."""

import csv

import numpy as np
import tensorflow as tf

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def read_landmarks(path):
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
    columns = [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
    table = {}
    with tf.io.gfile.GFile(path) as file:
        rows = csv.reader(file)
        try:
            header = [name.strip().removeprefix("\ufeff") for name in next(rows, [])]
            missing = [name for name in ["path", *columns] if name not in header]
            if missing:
                raise ValueError(
                    f"{path}, line 1: no column '{missing[0]}' in the header; "
                    f"needed are path and {', '.join(columns)}."
                )
            name_at, numbers_at = header.index("path"), [header.index(c) for c in columns]
            for row in rows:
                if row:
                    table[_field(row, name_at)] = _numbers(row, numbers_at)
        except (_MalformedRow, csv.Error) as error:
            raise ValueError(f"{path}, line {rows.line_num}: {error}.") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path}, line {rows.line_num + 1}: the text is not UTF-8.") from None
    return table


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
