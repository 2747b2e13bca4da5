"""Many small images on one picture, with titles, for the eye."""

import warnings

import numpy as np
from matplotlib.figure import Figure

from pipelines.files import write_atomically

GAP = 8  # pixels between images
TEXT = 11  # height of letters in pixels, without space between lines
LINE = TEXT + 5
# One that divides without remainder: then the figure has exactly the pixels asked for.
DPI = 64
# All letters of one width, so that it is known what fits.
FONT = "DejaVu Sans Mono"
LETTER = 0.61 * TEXT


def contact_sheet(rows_of_images, titles, path, *, row_titles=None, captions=None):
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
    columns = max(map(len, rows), default=0)
    if not any(image is not None for row in rows for image in row):
        raise ValueError("A contact sheet needs an image.")
    if titles and len(titles) != columns:
        raise ValueError(f"{len(titles)} titles were given for {columns} columns.")
    if row_titles and len(row_titles) != len(rows):
        raise ValueError(f"{len(row_titles)} titles were given for {len(rows)} rows.")
    if captions and [*map(len, captions)] != [*map(len, rows)]:
        raise ValueError("Every image needs a caption: give as many as images, row by row.")

    heights = [max((i.shape[0] for i in row if i is not None), default=0) for row in rows]
    widths = [
        max((row[c].shape[1] for row in rows if c < len(row) and row[c] is not None), default=0)
        for c in range(columns)
    ]
    left = GAP + (round(LETTER * max(map(len, row_titles))) + GAP if row_titles else 0)
    top = GAP + (LINE if titles else 0)
    lefts = left + np.cumsum([0, *(w + GAP for w in widths)])
    lines = [max(1 + text.count("\n") for text in row) for row in captions or []]
    below = [LINE * number for number in lines] or [0] * len(rows)
    tops = top + np.cumsum([0, *(h + text + GAP for h, text in zip(heights, below))])

    sheet = np.full((tops[-1], lefts[-1], 3), 255, np.uint8)
    texts = []
    for c, title in enumerate(titles):
        texts.append((lefts[c], GAP, _shortened(title, widths[c])))
    for r, title in enumerate(row_titles or []):
        texts.append((GAP, tops[r], title))
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            if image is not None:
                height, width = image.shape[:2]
                sheet[tops[r] : tops[r] + height, lefts[c] : lefts[c] + width] = image
            if captions:
                for number, line in enumerate(captions[r][c].split("\n")):
                    y = tops[r] + heights[r] + 2 + number * LINE
                    texts.append((lefts[c], y, _shortened(line, widths[c])))
    figure = _figure(sheet, texts)
    with warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        write_atomically(path, lambda file: figure.savefig(file, format="png"))


def _rgb(image):
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise ValueError(f"Images of a contact sheet must be uint8, got {image.dtype}.")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"An image must be (h, w, 3), (h, w, 1) or (h, w), got {image.shape}.")
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _figure(sheet, texts):
    """The sheet with texts (x, y of the upper left corner, string)."""
    height, width = sheet.shape[:2]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.figimage(sheet, origin="upper")
    for x, y, text in texts:
        figure.text(
            x / width,
            1 - y / height,
            text,
            fontsize=TEXT * 72 / DPI,
            family=FONT,
            verticalalignment="top",
            parse_math=False,  # names may have dollars in them
        )
    return figure


def _shortened(text, width):
    """A text that fits into so many pixels."""
    letters = max(1, int(width / LETTER))
    if len(text) <= letters:
        return text
    tail = (letters - 1) // 2
    return text[: letters - 1 - tail] + "…" + text[len(text) - tail :]
