"""Reading lists of pairs for verification."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.batches.pairs import Pairs
from pipelines.faces.names import find_images
from pipelines.faces.source import Faces
from pipelines.faces.text import read_lines


class NamedPairs(NamedTuple):
    """A list of pairs as it was written.

    Attributes:
        names: list of 2 n image names, the two of each pair behind each other; without extension
            where the list has none.
        same: bool array (n,), whether the two are of the same identity.
        fold: int64 array (n,), the part of the test that a pair belongs to.
        lines: int64 array (n,), where in the list it stands, counted from 1.
    """

    names: list[str]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]
    lines: NDArray[np.int64]


def read_pairs(path: str | os.PathLike, source: Faces | Sequence[str]) -> Pairs:
    """Reads a list of pairs, see `read_named_pairs`, and finds its images.

    Args:
        path: the list; any path that `tf.io.gfile` reads.
        source: source of faces that has the images, such as `FolderFaces`.

    Returns:
        `Pairs`, in the order of the list.

    Raises:
        FileNotFoundError: if there is no such list.
        ValueError: for a malformed line, with its number, or images that the source does not have.
    """
    pairs = read_named_pairs(path)
    images = find_images(pairs.names, source, os.fspath(path)).reshape(-1, 2)
    return Pairs(images, pairs.same, pairs.fold)


def read_named_pairs(path: str | os.PathLike) -> NamedPairs:
    """Reads a list of pairs in one of LFW's formats, or one that names files.

    * LFW's: NAME, i, j for two images of one identity, or NAME, i, NAME, j for those of two; image
      i of NAME is NAME/NAME_000i with any extension. A header of two numbers, as in View 2, gives
      the folds and the pairs of each kind in a fold; one of a single number, or none, as in View
      1, makes one fold of all.
    * Files: path, path, 1 for the same identity or 0, and if wanted the fold.

    Fields stand between tabs, or between blanks in a line without a tab. Empty lines are ignored.

    Args:
        path: the list; any path that `tf.io.gfile` reads.

    Returns:
        `NamedPairs`, in the order of the list.

    Raises:
        FileNotFoundError: if there is no such list.
        ValueError: for a malformed line, with its number.
    """
    path = os.fspath(path)
    lines = [
        (number, [field.strip() for field in line.split("\t" if "\t" in line else None)])
        for number, line in read_lines(path, "list of pairs")
    ]
    header = [int(x) for x in lines[0][1]] if lines and all(map(_whole, lines[0][1])) else []
    lines = lines[1 if header else 0 :]
    rows = [_row(path, number, fields) for number, fields in lines]
    if not rows:
        raise ValueError(f"{path} lists no pair.")

    same = np.array([row[2] for row in rows], bool)
    if header:
        fold = _folds_of_header(path, header, same)
    else:
        given = {row[3] is not None for row in rows}
        if len(given) > 1:
            raise ValueError(f"{path} gives the fold in some lines only: give it in all or none.")
        fold = np.array([row[3] or 0 for row in rows], np.int64)
    numbers = np.array([number for number, _ in lines], np.int64)
    return NamedPairs([image for row in rows for image in row[:2]], same, fold, numbers)


def _whole(text):
    return text.isascii() and text.isdigit()


def _row(path, number, fields):
    """(image, image, same, fold or None) of a line; images without extension in LFW's formats."""
    if len(fields) in (3, 4) and _whole(fields[1]) and _whole(fields[-1]):
        other = fields[2] if len(fields) == 4 else fields[0]
        images = [f"{n}/{n}_{int(i):04d}" for n, i in ((fields[0], fields[1]), (other, fields[-1]))]
        return *images, len(fields) == 3, None
    if len(fields) in (3, 4) and fields[2] in ("0", "1") and all(map(_whole, fields[3:])):
        return fields[0], fields[1], fields[2] == "1", int(fields[3]) if fields[3:] else None
    raise ValueError(
        f"{path}, line {number}: expected NAME, i, j or NAME, i, NAME, j or path, path, 0 or 1 "
        f"between tabs, got {' '.join(fields)!r}."
    )


def _folds_of_header(path, header, same):
    """Fold of every pair below LFW's header: in each first the same, then the different ones."""
    folds, each = header if len(header) == 2 else (1, header[0])
    if len(header) > 2 or len(same) != folds * 2 * each:
        raise ValueError(
            f"{path}: the header {' '.join(map(str, header))} asks for {folds * 2 * each} pairs, "
            f"the list has {len(same)}: it is not complete."
        )
    if (same.reshape(folds, 2, each) != [[True], [False]]).any():
        raise ValueError(
            f"{path}: each fold must have {each} pairs of the same, then {each} different ones."
        )
    return np.repeat(np.arange(folds), 2 * each)
