"""Regions of the face: the table, the crops against naive geometry, and mirrored ones."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st
from properties import examples

from pipelines.faces.alignment import TEMPLATE
from pipelines.faces.cropping import crop_region, crop_regions
from pipelines.faces.landmarks import LANDMARKS
from pipelines.faces.regions import TABLE, WHOLE_FACE, Region, read_regions

REGIONS = read_regions()
SWAPPED = {"left_eye": "right_eye", "mouth_left": "mouth_right"}
SWAPPED.update({right: left for left, right in SWAPPED.items()})


def smooth(height, width):
    """An image without detail, whose value at any point is known."""
    y, x = np.mgrid[:height, :width]
    return value(x, y).astype(np.float32)


def value(x, y):
    return np.stack(
        [
            127 + 100 * np.sin(x / 17 + y / 31),
            127 + 100 * np.cos(x / 23 - y / 13),
            127 + 100 * np.sin(x / 37 + 1),
        ],
        axis=-1,
    )


def landmarks_at(scale, angle, x, y, jitter=0.0, seed=0):
    points = np.array(TEMPLATE) @ [1, 1j] * scale * np.exp(1j * angle) + complex(x, y)
    points = np.stack([points.real, points.imag], 1)
    return points + np.random.default_rng(seed).normal(0, jitter, (5, 2))


def naive_crop(region, landmarks):
    """The crop of an endless smooth image, by the definition in the table's header."""
    frame = np.array(TEMPLATE) @ [1, 1j]
    z = np.array(landmarks) @ [1, 1j]
    # u = a z + b in least squares.
    columns = np.stack([z, np.ones(5)], 1)
    a, b = np.linalg.lstsq(columns, frame, rcond=None)[0]
    centre = complex(47.5, 55.5)
    if region.landmarks:
        chosen = [a * z[LANDMARKS.index(name)] + b for name in region.landmarks]
        centre = sum(chosen) / len(chosen)
    centre += complex(*region.offset)
    crop = np.zeros((region.height, region.width, 3))
    for row in range(region.height):
        for column in range(region.width):
            across = (column + 0.5) / region.width - 0.5  # in widths of the region
            down = (row + 0.5) / region.width - region.height / region.width / 2
            point = (centre + complex(across, down) * region.scale * 96 - b) / a
            crop[row, column] = value(point.real, point.imag)
    if region.channels == 1:
        crop = crop @ np.array([[0.2989], [0.587], [0.114]])
    return crop


def test_the_table_has_25_regions():
    assert len(REGIONS) == 25
    assert REGIONS["face"] == dataclasses.replace(WHOLE_FACE, source=REGIONS["face"].source)
    shapes = {(region.height, region.width) for region in REGIONS.values()}
    assert shapes == {(112, 96), (96, 96)}
    assert {region.channels for region in REGIONS.values()} == {1, 3}
    assert all(region.source for region in REGIONS.values())
    # Each names another part: no two are the same but for the name.
    specs = [dataclasses.replace(region, name="", source="") for region in REGIONS.values()]
    assert len(set(specs)) == 25
    # What lies at one side is there at the other side too.
    assert {dataclasses.replace(region.mirrored(), name="", source="") for region in specs} == set(
        specs
    )


@pytest.mark.parametrize("name", ["face", "face_up", "square_wide_grey", "left_eye", "eyes_nose"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_against_naive_geometry(name, mirrored):
    region = REGIONS[name].scaled(48)
    landmarks = landmarks_at(1.3, 0.25, 150, 120, jitter=2)
    crop = crop_region(
        smooth(420, 420), landmarks.astype(np.float32), region, mirrored=tf.constant(mirrored)
    )
    assert crop.shape == (region.height, region.width, region.channels)
    if mirrored:
        swapped = tuple(SWAPPED.get(landmark, landmark) for landmark in region.landmarks)
        x, y = region.offset
        region = dataclasses.replace(region, landmarks=swapped, offset=(-x, y))
    expected = naive_crop(region, landmarks)
    np.testing.assert_allclose(crop, expected[:, ::-1] if mirrored else expected, atol=1.0)


@examples(15)
@example(1.25, 0.0, 78, ["eyes", "eyes_nose"], True)  # A side of the canvas, but for rounding.
@given(
    st.floats(0.7, 3.0),
    st.floats(-0.6, 0.6),
    st.integers(0, 100),
    st.lists(st.sampled_from(sorted(REGIONS)), min_size=1, max_size=4, unique=True),
    st.booleans(),
)
def test_many_at_once_are_those_one_by_one(scale, angle, seed, names, mirrored):
    regions = [REGIONS[name] for name in names]
    image = smooth(700, 700)
    landmarks = landmarks_at(scale, angle, 0, 0, jitter=2, seed=seed).astype(np.float32)
    landmarks += 350 - landmarks.mean(0)
    crops = crop_regions(image, landmarks, regions, mirrored=mirrored)
    for region, crop in zip(regions, crops):
        alone = crop_region(image, landmarks, region, mirrored=mirrored)
        assert crop.shape == alone.shape
        np.testing.assert_allclose(crop, alone, atol=3)


def test_unknown_landmarks_are_those_of_the_template():
    image = smooth(112, 96)
    unknown = np.full((5, 2), np.nan, np.float32)
    for name in ("face", "left_eye", "nose_mouth"):
        expected = crop_region(image, np.array(TEMPLATE, np.float32), REGIONS[name])
        np.testing.assert_allclose(crop_region(image, unknown, REGIONS[name]), expected, atol=0.1)


HEAD = "name,centre,dx,dy,scale,shape,channels\n"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "line 1: no column 'name'"),
        ("name,centre\n", "line 1: no column 'dx'"),
        (HEAD, "has no region"),
        (HEAD + "ear,left_ear,0,0,1,square,colour\n", "line 2: unknown landmark 'left_ear'"),
        (HEAD + "a,face,0,0,1,square,colour\na,nose,0,0,1,square,grey\n", "line 3: .* twice"),
        (HEAD + "a,face,0,0,1,round,colour\n", "shape must be rectangle or square, got 'round'"),
        (HEAD + "a,face,0,0,1,square,blue\n", "channels must be colour or grey"),
        (HEAD + "a,face,x,0,1,square,grey\n", "must be numbers, got x, 0, 1"),
        (HEAD + "a,face,0,0,nan,square,grey\n", "leaves the face"),
        (HEAD + "a,face,0,0,0,square,grey\n", "leaves the face"),
        (HEAD + "a/b,face,0,0,1,square,grey\n", "'a/b' is no name"),
        (HEAD + "a,face,0,0\n", "fewer fields"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, text, message):
    path = tmp_path / "regions.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_regions(str(path))
    assert "\n" not in str(error.value)


def test_another_table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "source,scale,channels,name,shape,centre,dx,dy\nme, .5,grey,brow,square,nose+left_eye,0,-9\n"
    )
    expected = Region("brow", ("left_eye", "nose"), (0.0, -9.0), 0.5, 96, 96, 1, "me")
    assert read_regions(str(path)) == {"brow": expected}
    with pytest.raises(FileNotFoundError, match="No table of regions"):
        read_regions(str(tmp_path / "none.csv"))
    assert TABLE.endswith("regions.csv")
