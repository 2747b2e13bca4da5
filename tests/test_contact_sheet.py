"""Contact sheets: every image pixel for pixel, titles where they belong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

pytest.importorskip("matplotlib")

from matplotlib.image import imread  # noqa: E402

from pipelines.drawing.contact_sheet import GAP, contact_sheet  # noqa: E402
from pipelines.drawing.lettering import LETTER, shortened  # noqa: E402


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def read(path):
    return np.round(imread(path)[..., :3] * 255).astype(np.uint8)


def find(sheet, image):
    """Where an image is in the sheet, (row, column) of its corner."""
    height, width = image.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, image.shape)
    places = np.argwhere((windows == image).all((-3, -2, -1)))[:, :2]
    assert len(places) == 1
    return places[0]


def test_images_stand_in_rows_and_columns_as_they_are(tmp_path):
    # Sizes whose hundredths are no binary fractions, and images of different sizes.
    a, b, c = noise(0, 23, 57, 3), noise(1, 31, 19, 1), noise(2, 17, 21)
    d = noise(3, 29, 41, 3)
    path = tmp_path / "sheet.png"
    contact_sheet([[a, b], [c], [None, d]], [], path)
    sheet = read(path)
    assert sheet.shape == (23 + 8 + 17 + 29 + 4 * GAP, 57 + 41 + 3 * GAP, 3)
    places = [find(sheet, a), find(sheet, np.repeat(b, 3, 2))]
    places += [find(sheet, np.repeat(c[..., None], 3, 2)), find(sheet, d)]
    below, right = 31 + 2 * GAP, 57 + 2 * GAP
    lowest = below + 17 + GAP
    np.testing.assert_array_equal(places, [[GAP, GAP], [GAP, right], [below, GAP], [lowest, right]])
    outside = np.ones(sheet.shape[:2], bool)
    for (y, x), image in zip(places, (a, b, c, d)):
        outside[y : y + image.shape[0], x : x + image.shape[1]] = False
    assert (sheet[outside] == 255).all()


def test_titles_and_captions(tmp_path):
    image, other = noise(0, 40, 90, 3), noise(1, 40, 90, 3)
    path = tmp_path / "sheet.png"
    contact_sheet(
        [[image, other]],
        ["left", ""],
        path,
        row_titles=["row"],
        captions=[["", "a name with an ü that is much longer than 90 pixels.jpg"]],
    )
    sheet = read(path)
    (top, left), (_, right) = find(sheet, image), find(sheet, other)
    written = (sheet < 128).all(2)
    assert written[GAP:top, left : left + 90].any() and not written[:top, right:].any()
    assert written[top : top + 40, :left].any()
    assert written[top + 40 :, right : right + 90].any()
    assert not written[top + 40 :, :right].any() and not written[:, right + 90 :].any()

    contact_sheet([[image]], [], path, captions=[["two\nlines"]])
    lines = (read(path)[GAP + 40 :, GAP : GAP + 90] < 128).any((1, 2))
    assert lines[: lines.size // 2].any() and lines[lines.size // 2 :].any()

    contact_sheet([[image]], ["$no_math$ {\\"], path)  # nothing is taken as a formula
    assert (read(path)[GAP : GAP + 12] < 128).any()
    contact_sheet([[image]], ["名"], path)  # what the font lacks does no harm


@examples(50)
@given(st.text("abcdefghij", max_size=40), st.integers(0, 300))
def test_long_captions_lose_their_middle(text, width):
    short = shortened(text, width)
    assert len(short) <= max(1, width / LETTER)
    if short != text:
        head, tail = short.split("…")
        assert text.startswith(head) and text.endswith(tail) and 0 <= len(head) - len(tail) <= 1


@pytest.mark.parametrize(
    "rows, titles, more, message",
    [
        ([], [], {}, "needs an image"),
        ([[None]], [], {}, "needs an image"),
        ([[np.zeros((4, 4, 3))]], [], {}, "must be uint8, got float64"),
        ([[np.zeros((4, 4, 2), np.uint8)]], [], {}, r"got \(4, 4, 2\)"),
        ([[np.zeros((4, 4), np.uint8)]], ["a", "b"], {}, "2 titles .* 1 columns"),
        ([[np.zeros((4, 4), np.uint8)]], [], {"row_titles": ["a", "b"]}, "2 titles .* 1 rows"),
        ([[np.zeros((4, 4), np.uint8)]], [], {"captions": [["a", "b"]]}, "needs a caption"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, rows, titles, more, message):
    with pytest.raises(ValueError, match=message):
        contact_sheet(rows, titles, tmp_path / "sheet.png", **more)
    assert not list(tmp_path.iterdir())
