"""Many small images on one picture, with titles, for the eye."""

import itertools
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.drawing.lettering import LETTER, LINE, shortened, write_lettered

GAP = 8  # pixels between images

Row = Sequence[NDArray[np.uint8] | None]


class _Grid(NamedTuple):
    """Where rows and columns of a sheet are, in pixels.

    Attributes:
        lefts, tops: where each column and row begins, and where the sheet ends.
        widths, heights: of the images in each column and row.
    """

    lefts: NDArray[np.int64]
    tops: NDArray[np.int64]
    widths: list[int]
    heights: list[int]


def contact_sheet(
    rows_of_images: Sequence[Sequence[ArrayLike | None]],
    titles: Sequence[str],
    path: str | os.PathLike,
    *,
    row_titles: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
) -> None:
    """Writes a grid of images as a PNG, each image at its own size, pixel for pixel.

    Args:
        rows_of_images: list of rows, each a list of uint8 arrays (h, w, 3), (h, w, 1) or (h, w),
            or None for an empty place. A row may be shorter than others.
        titles: titles of the columns, a list of strings; empty for none.
        path: the PNG to write; the file is there wholly or not at all.
        row_titles: titles of the rows, a list of strings, to their left.
        captions: rows of strings to stand below the images, of one line or several. A line that is
            longer than an image is wide loses its middle.

    Raises:
        ValueError: if there is no image, an image is not uint8 or of another shape, or the titles
            are not as many as the columns, the rows or the images.
        OSError: if the file cannot be written.
    """
    rows = [[None if i is None else _rgb(i) for i in row] for row in rows_of_images]
    row_titles, captions = row_titles or [], captions or []
    _check(rows, titles, row_titles, captions)
    grid = _grid(rows, titles, row_titles, captions)
    write_lettered(_picture(rows, grid), _texts(grid, titles, row_titles, captions), path)


def _rgb(image: ArrayLike) -> NDArray[np.uint8]:
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise ValueError(f"Images of a contact sheet must be uint8, got {image.dtype}.")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"An image must be (h, w, 3), (h, w, 1) or (h, w), got {image.shape}.")
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _check(
    rows: Sequence[Row],
    titles: Sequence[str],
    row_titles: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> None:
    """Refuses a sheet without an image, and titles that are not as many as what they name."""
    columns = max(map(len, rows), default=0)
    if not any(image is not None for row in rows for image in row):
        raise ValueError("A contact sheet needs an image.")
    if titles and len(titles) != columns:
        raise ValueError(f"{len(titles)} titles were given for {columns} columns.")
    if row_titles and len(row_titles) != len(rows):
        raise ValueError(f"{len(row_titles)} titles were given for {len(rows)} rows.")
    if captions and [*map(len, captions)] != [*map(len, rows)]:
        raise ValueError("Every image needs a caption: give as many as images, row by row.")


def _grid(
    rows: Sequence[Row],
    titles: Sequence[str],
    row_titles: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> _Grid:
    """Rows and columns as large as their largest images, with room for the texts."""
    heights = [max((i.shape[0] for i in row if i is not None), default=0) for row in rows]
    widths = [
        max((image.shape[1] for image in column if image is not None), default=0)
        for column in itertools.zip_longest(*rows)
    ]
    left = GAP + (round(LETTER * max(map(len, row_titles))) + GAP if row_titles else 0)
    top = GAP + (LINE if titles else 0)
    lines = [max(1 + text.count("\n") for text in row) for row in captions]
    below = [LINE * number for number in lines] or [0] * len(rows)
    return _Grid(
        lefts=left + np.cumsum([0, *(width + GAP for width in widths)]),
        tops=top + np.cumsum([0, *(h + text + GAP for h, text in zip(heights, below))]),
        widths=widths,
        heights=heights,
    )


def _picture(rows: Sequence[Row], grid: _Grid) -> NDArray[np.uint8]:
    """The images in their places on white."""
    sheet = np.full((grid.tops[-1], grid.lefts[-1], 3), 255, np.uint8)
    for row, top in zip(rows, grid.tops):
        for image, left in zip(row, grid.lefts):
            if image is not None:
                height, width = image.shape[:2]
                sheet[top : top + height, left : left + width] = image
    return sheet


def _texts(
    grid: _Grid,
    titles: Sequence[str],
    row_titles: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> list[tuple[int, int, str]]:
    """Texts with the x and y of their upper left corners."""
    texts = [
        (left, GAP, shortened(title, width))
        for title, left, width in zip(titles, grid.lefts, grid.widths)
    ]
    texts += [(GAP, top, title) for title, top in zip(row_titles, grid.tops)]
    for row, top, height in zip(captions, grid.tops, grid.heights):
        for caption, left, width in zip(row, grid.lefts, grid.widths):
            for number, line in enumerate(caption.split("\n")):
                texts.append((left, top + height + 2 + number * LINE, shortened(line, width)))
    return texts
