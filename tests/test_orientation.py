"""Photographs stored lying: turned as their EXIF data says wherever no landmarks do."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from properties import examples

from pipelines.detection import upright_turns
from pipelines.faces.landmarks import NUMBERS
from pipelines.faces.orientation import quarter_turns
from pipelines.records.reading import RecordFaces
from pipelines.records.writing import write_records
from pipelines.sources.folder import FolderFaces

ORIENTATION, MAKER = 0x0112, 0x010F
KINDS = ("JPEG", "PNG", "WEBP")
# Its upper left corner is red, the rest is not.
UPRIGHT = np.full((40, 30, 3), 90, np.uint8)
UPRIGHT[:15, :10] = (255, 0, 0)
# How a camera stores it, by the tag that says so; 1, 3, 6 and 8 are turns without a mirror.
TURNED = {1: 0, 3: 2, 6: 1, 8: 3}


def stored(kind, orientation, maker="A maker of cameras"):
    exif = Image.Exif()
    exif[MAKER], exif[ORIENTATION] = maker, orientation
    content = io.BytesIO()
    lying = Image.fromarray(np.rot90(UPRIGHT, TURNED.get(orientation, 0)))
    lying.save(content, kind, exif=exif, quality=95, lossless=True)
    return content.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_every_orientation_is_the_one_that_pillow_reads(kind):
    for orientation in range(10):
        content = stored(kind, orientation)
        assert quarter_turns(content) == upright_turns(io.BytesIO(content)), orientation


def test_exif_of_either_order_and_behind_other_parts():
    tiff = stored("JPEG", 6)
    end = tiff.index(b"\xff\xdb")
    jpeg = tiff[end:]

    def with_exif(data, before=b""):
        part = b"Exif\0\0" + data
        return b"\xff\xd8" + before + b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part + jpeg

    for order, mark in (("little", b"II"), ("big", b"MM")):
        def number(value, size, order=order):
            return value.to_bytes(size, order)

        entry = number(ORIENTATION, 2) + number(3, 2) + number(1, 4) + number(6, 2) + b"\0\0"
        data = mark + number(42, 2) + number(8, 4) + number(1, 2) + entry + bytes(4)
        jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
        profile = b"\xff\xe2" + (40_000).to_bytes(2, "big") + bytes(39_998)
        assert quarter_turns(with_exif(data)) == 3
        assert quarter_turns(with_exif(data, jfif + profile)) == 3
        # A long or a wrong type, no entry, and a directory that is elsewhere.
        assert quarter_turns(with_exif(data.replace(number(3, 2) + number(1, 4), b"\0" * 6))) == 0
        assert quarter_turns(with_exif(data[:8] + number(0, 2) + bytes(4))) == 0
        assert quarter_turns(with_exif(data[:4] + number(1 << 31, 4) + data[8:])) == 0


@examples(60)
@given(st.sampled_from(KINDS), st.integers(0, 400), st.integers(0, 255), st.booleans())
def test_damaged_files_are_read_without_an_error(kind, at, value, cut):
    content = stored(kind, 6)
    at %= len(content)
    damaged = content[:at] if cut else content[:at] + bytes([value]) + content[at + 1 :]
    assert quarter_turns(damaged) in (0, 1, 2, 3)


def is_upright(image):
    image = np.asarray(image).astype(int)
    return image.shape[0] > image.shape[1] and image[3, 3, 0] > 200 and image[3, 3, 1] < 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs stored lying, in a folder without landmarks; one stands in a table of another."""
    path = tmp_path_factory.mktemp("photographs")
    for kind in KINDS:
        for orientation in TURNED:
            (path / kind).mkdir(exist_ok=True)
            (path / kind / f"{orientation}.{kind.lower()}").write_bytes(stored(kind, orientation))
    table = [",".join(["path", *NUMBERS]), "JPEG/6.jpeg" + ",5" * 10, "JPEG/8.jpeg" + "," * 10]
    (path / "some.csv").write_text("\n".join(table))
    return path


def test_all_are_upright_in_a_folder_without_landmarks(folder):
    faces = FolderFaces(folder)
    assert len(faces) == 12
    assert all(is_upright(image) for image, _ in tf.data.Dataset.range(12).map(faces.load))
    assert all(is_upright(faces.load(i)[0]) for i in range(12))


def test_landmarks_of_a_table_are_of_the_stored_pixels(folder):
    faces = FolderFaces(folder, landmarks="some.csv")
    upright = {faces.name(i): is_upright(faces.load(i)[0]) for i in range(len(faces))}
    assert [name for name, found in upright.items() if not found] == ["JPEG/6.jpeg"]


@pytest.mark.parametrize("encoding", ["faces", "original"])
@pytest.mark.parametrize("nominal", [None, np.full((5, 2), 9.0) + np.arange(10).reshape(5, 2)])
def test_records_hold_them_upright(folder, tmp_path, encoding, nominal):
    faces = FolderFaces(folder, nominal=nominal)
    write_records(faces, tmp_path / "records", encoding=encoding, progress=False)
    records = RecordFaces(tmp_path / "records")
    if encoding == "original":
        assert all(is_upright(records.load(tf.constant(i))[0]) for i in range(12))
    else:
        # Cut out by one and the same landmarks, they are one and the same picture.
        images = [records.load(tf.constant(i))[0].numpy().astype(int) for i in range(12)]
        assert all(np.abs(image - images[0]).mean() < 5 for image in images)
