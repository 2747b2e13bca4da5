"""Pictures with text on them, of exactly the pixels asked for."""

import os
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.files import write_atomically

TEXT = 11  # height of letters in pixels, without space between lines
LINE = TEXT + 5
# One that divides without remainder: then the figure has exactly the pixels asked for.
DPI = 64
# All letters of one width, so that it is known what fits.
FONT = "DejaVu Sans Mono"
LETTER = 0.61 * TEXT


def write_lettered(
    picture: NDArray[np.uint8], texts: Sequence[tuple[int, int, str]], path: str | os.PathLike
) -> None:
    """Writes a picture with texts on it as a PNG, pixel for pixel.

    Args:
        picture: uint8 array (height, width, 3).
        texts: x and y of each text's upper left corner in pixels, and the text.
        path: the PNG to write; the file is there wholly or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    # Heavy, and training only draws if it is asked to.
    from matplotlib.figure import Figure  # noqa: PLC0415

    height, width = picture.shape[:2]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.figimage(picture, origin="upper")
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
    with warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        write_atomically(path, lambda file: figure.savefig(file, format="png"))


def shortened(text: str, width: int) -> str:
    """A text that fits into so many pixels: one that is longer loses its middle."""
    letters = max(1, int(width / LETTER))
    if len(text) <= letters:
        return text
    tail = (letters - 1) // 2
    return text[: letters - 1 - tail] + "…" + text[len(text) - tail :]
