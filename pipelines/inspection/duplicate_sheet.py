"""A contact sheet of the photographs that are there twice."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.drawing.contact_sheet import contact_sheet
from pipelines.faces.source import Faces
from pipelines.inspection.duplicates import Matches

# Pairs on the sheet: of each kind, and in a row.
PAIRS_OF_A_KIND = 16
PAIRS_IN_A_ROW = 4
SIDE = 160  # pixels of the square that each photograph is fitted into


def duplicate_sheet(
    kinds: Sequence[tuple[str, Faces, Faces, Matches]], path: str | os.PathLike
) -> int:
    """Draws pairs of photographs, side by side, the two names and how alike they are below.

    Of each kind the nearest pairs are shown and the farthest, and some between: at the far end
    false alarms would be seen first.

    Args:
        kinds: list of (title, source of the first images, source of the second, `Matches`).
        path: the PNG to write.

    Returns:
        How many pairs were drawn; with none, nothing is written.
    """
    rows: list[list] = []
    captions: list[list[str]] = []
    titles: list[str] = []
    for title, source, other, matches in kinds:
        total = len(matches.first)
        picked = np.unique(np.linspace(0, total - 1, min(total, PAIRS_OF_A_KIND)).astype(int))
        for start in range(0, len(picked), PAIRS_IN_A_ROW):
            pairs = [[part[i] for part in matches] for i in picked[start : start + PAIRS_IN_A_ROW]]
            rows.append([_side_by_side(source, a, other, b) for a, b, _, _ in pairs])
            captions.append([
                f"{source.name(a)}\n{other.name(b)}\n{bits} bits{', mirrored' if mirrored else ''}"
                for a, b, bits, mirrored in pairs
            ])
            titles.append(title)
    if rows:
        contact_sheet(rows, [], path, row_titles=titles, captions=captions)
    return sum(map(len, rows))


def _side_by_side(source, a, other, b):
    return np.concatenate([_fitted(source, a), _fitted(other, b)], axis=1)


def _fitted(source, index):
    """An image brought into a square, uint8 (SIDE, SIDE, 3)."""
    image, _ = source.load(tf.constant(index, tf.int64))
    image = tf.image.resize_with_pad(image, SIDE, SIDE, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8).numpy()
