"""Photographs of scanners and telephones: TIFF, HEIC and AVIF, upright, with limits, whole or refused."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.detection.orientation import ORIENTATION
from sparseface_tf.recognition import containers
from sparseface_tf.recognition.photos import UnusablePhoto, open_photo

pytest.importorskip("pillow_heif").register_heif_opener()
KINDS = {"TIFF": "tif", "HEIF": "heic", "AVIF": "avif"}


def drawing(mode="RGB"):
    """A picture of 96 x 64 pixels that shows when it is turned."""
    picture = Image.new("RGB", (96, 64), (230, 200, 170))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((8, 8, 40, 56), fill=(60, 90, 200))
    draw.rectangle((60, 0, 95, 20), fill=(200, 40, 40))
    return picture.convert(mode)


def encoded(kind, picture, **options):
    file = io.BytesIO()
    picture.save(file, format=kind, **({} if kind == "TIFF" else {"quality": 95}) | options)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_whatever_its_name(kind, tmp_path):
    for mode in ("RGB", "L", "RGBA"):
        path = tmp_path / f"photo.{'jpg' if mode == 'L' else KINDS[kind]}"
        path.write_bytes(encoded(kind, drawing(mode)))
        image = open_photo(path).image
        expected = np.asarray(drawing(mode).convert("RGB"), int)
        assert image.shape == (64, 96, 3) and image.dtype == np.uint8
        assert np.abs(image - expected).mean() < 4
    assert containers.container_of(path.read_bytes()) == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_each_kind_is_turned_as_its_file_says(kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turns = {3: 2, 6: 1, 8: 3}[orientation]  # the reader turns it back
    stored = Image.fromarray(np.rot90(np.asarray(drawing()), turns))
    image = containers.decode_container(encoded(kind, stored, exif=exif.tobytes()))
    assert image.shape == (64, 96, 3)
    assert np.abs(image - np.asarray(drawing(), int)).mean() < 4


def test_grey_of_sixteen_bits_keeps_the_upper_eight():
    grey = (np.arange(96 * 64).reshape(64, 96) * 10).astype(np.uint16)
    image = containers.decode_container(encoded("TIFF", Image.fromarray(grey)))
    np.testing.assert_array_equal(image, np.repeat((grey >> 8)[..., None], 3, -1))


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_pixels_are_refused_before_they_are_decoded(kind, monkeypatch):
    content = encoded(kind, drawing())
    monkeypatch.setattr(containers, "MAX_PIXELS", 96 * 64 - 1)
    monkeypatch.setattr(containers.ImageOps, "exif_transpose", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="more than .* million pixels: make it smaller"):
        containers.decode_container(content)


def test_a_small_image_in_a_huge_tile_is_refused():
    tags = [(256, 64), (257, 64), (258, 8), (259, 8), (262, 1), (277, 1), (322, 20_000), (323, 20_000)]
    tags += [(324, 8 + 2 + 12 * (len(tags) + 2) + 4), (325, 1000)]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    content = b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4) + bytes(1000)
    with pytest.raises(ValueError, match="more than .* million pixels"):
        containers.decode_container(content)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_one_line_or_a_photograph(kind, tmp_path):
    content = encoded(kind, drawing())
    generator, path, refused = np.random.default_rng(0), tmp_path / "photo", 0
    for number in range(60):
        damaged = bytearray(content)
        for at in generator.integers(8, len(content), size=generator.integers(1, 20)):
            damaged[at] = generator.integers(256)
        end = generator.integers(20, len(content)) if number % 2 else len(content)
        path.write_bytes(damaged[:end])
        try:
            assert open_photo(path).image.dtype == np.uint8
        except UnusablePhoto as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 400 and " at 0x" not in str(error)
    assert 20 < refused


def test_without_the_package_it_is_named(tmp_path, monkeypatch):
    path = tmp_path / "phone.HEIC"
    path.write_bytes(encoded("HEIF", drawing()))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnusablePhoto, match=r"a HEIC file, and the package .*'sparseface_tf\[recogn"):
        open_photo(path)
    monkeypatch.setattr(containers.features, "check", lambda name: False)
    path.write_bytes(encoded("AVIF", drawing()))
    with pytest.raises(UnusablePhoto, match="an AVIF file, for which Pillow 11.3 or later is needed"):
        open_photo(path)


def test_a_folder_given_for_a_photograph_is_said(tmp_path):
    with pytest.raises(UnusablePhoto, match=r"is a folder: give its photographs, such as .*\*\.jpg\."):
        open_photo(tmp_path)
