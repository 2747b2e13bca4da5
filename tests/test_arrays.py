"""Decoding, resizing and cutting out with NumPy and Pillow gives what TensorFlow gives."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from programs import ROOT

from pipelines.batches.batches import network_input
from pipelines.faces import arrays, cropping
from pipelines.faces.decoding import NoImage, decode_array
from pipelines.faces.images import decode
from pipelines.faces.limits import MAX_PIXELS
from pipelines.faces.regions import WHOLE_FACE, read_regions
from pipelines.faces.resizing import resized
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.embedding import open_embedder


@pytest.fixture(scope="module")
def face():
    """A rendered face, uint8 (128, 128, 3), and its landmarks, float32 (5, 2)."""
    image, landmarks = SyntheticFaces(identities=2, images_per_identity=1).load(tf.constant(0))
    return image.numpy(), landmarks.numpy()


def enlarged(face, side, angle=0.0):
    """The face at another size, turned about its middle, with its landmarks."""
    image, landmarks = face
    picture = Image.fromarray(image).resize((side, side)).rotate(angle, Image.Resampling.BILINEAR)
    centred = landmarks @ [1, 1j] - (63.5 + 63.5j)
    points = centred * np.exp(-1j * np.radians(angle)) * side / 128 + (side - 1) / 2 * (1 + 1j)
    return np.asarray(picture), np.stack([points.real, points.imag], 1)


@pytest.mark.parametrize("side, angle", [(128, 0), (300, 20), (900, -35), (60, 180)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_crops_agree(face, side, angle, mirrored):
    image, landmarks = enlarged(face, side, angle)
    regions = read_regions()
    for region in (WHOLE_FACE.scaled(48), regions["left_eye"], *list(regions.values())[-2:]):
        mine = arrays.crop_region(image, landmarks, region, mirrored=mirrored)
        theirs = cropping.crop_region(
            tf.constant(image), tf.constant(landmarks, tf.float32), region, mirrored=mirrored
        )
        assert mine.dtype == np.float32 and mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, atol=0.05)


@pytest.mark.parametrize("shape", [(150, 90), (70, 130)])
def test_faces_without_landmarks_agree(face, shape):
    image = np.asarray(Image.fromarray(face[0]).resize(shape[::-1]))
    for landmarks in (np.full((5, 2), np.nan), np.full((5, 2), 3.0)):
        mine = arrays.crop_region(image, landmarks, WHOLE_FACE)
        theirs = cropping.crop_region(image, tf.constant(landmarks, tf.float32), WHOLE_FACE)
        np.testing.assert_allclose(mine, theirs, atol=0.05)


def test_a_network_gets_the_same_numbers(face):
    image, landmarks = face
    mine = arrays.normalised(arrays.crop_region(image, landmarks, WHOLE_FACE))
    np.testing.assert_allclose(mine, network_input(image, landmarks, WHOLE_FACE), atol=1e-3)


@pytest.mark.parametrize("size", [(17, 41), (80, 60), (150, 200), (1, 1)])
def test_sizes_agree(size):
    image = np.random.default_rng(0).integers(0, 256, (80, 60, 3), np.uint8)
    np.testing.assert_allclose(
        resized(image, *size), tf.image.resize(image, size, antialias=True), atol=0.01
    )
    if size[0] <= 80:
        area = tf.image.resize(image, size, method="area")
        np.testing.assert_allclose(resized(image, *size, area=True), area, atol=0.01)


def test_bilinear_by_hand():
    image = np.array([[[0.0], [10.0]], [[20.0], [30.0]]])
    x, y = np.array([0.5, 1.0, 1.5, -1.0, 0.25]), np.array([0.5, 1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(arrays.bilinear(image, x, y)[:, 0], [15, 30, 5, 0, 2.5])


def saved(image, kind, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "kind, mode", [("PNG", "RGB"), ("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("BMP", "RGB"), ("GIF", "P")]
)
def test_files_without_loss_decode_equally(face, kind, mode):
    content = saved(face[0], kind, mode)
    np.testing.assert_array_equal(decode_array(content), decode(tf.constant(content)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_is_put_on_white(face, kind):
    opacity = np.linspace(0, 255, 128).astype(np.uint8)[:, None].repeat(128, 1)
    file = io.BytesIO()
    picture = Image.fromarray(np.dstack([face[0], opacity]), "RGBA")
    picture.save(file, kind, lossless=True, exact=True)
    found = decode_array(file.getvalue())
    assert (found[0] == 255).all()
    np.testing.assert_array_equal(found, decode(tf.constant(file.getvalue())))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_files_decode_alike(face, mode):
    content = saved(face[0], "JPEG", mode, quality=90)
    # TensorFlow takes libjpeg's fast transform unless it is told otherwise, Pillow the accurate one.
    if mode != "CMYK":
        accurate = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(decode_array(content), accurate)
    away = np.abs(decode_array(content).astype(int) - decode(tf.constant(content)).numpy())
    assert away.max() <= 10 and away.mean() <= 1.5


def test_features_of_a_jpeg_file_agree(face):
    pytest.importorskip("ai_edge_litert")
    network = open_embedder(ROOT / "saved_models" / "face")
    image, landmarks = enlarged(face, 400, 8)
    content = saved(image, "JPEG", quality=90)
    mine = arrays.crop_region(decode_array(content), landmarks, network.region)
    theirs = cropping.crop_region(
        decode(tf.constant(content)), tf.constant(landmarks, tf.float32), network.region
    )
    crops = arrays.normalised(np.stack([mine, theirs]))
    one, other = network.network.predict_on_batch(crops)
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.999


def test_sixteen_bits_keep_the_upper_eight():
    grey = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    np.testing.assert_array_equal(decode_array(file.getvalue())[..., 0], grey >> 8)
    np.testing.assert_array_equal(
        decode_array(file.getvalue()), decode(tf.constant(file.getvalue()))
    )


def test_what_is_no_image_is_refused_in_a_line(face):
    whole = saved(face[0], "JPEG")
    bomb = bytearray(saved(np.zeros((4, 4, 3), np.uint8), "BMP"))
    side = int(MAX_PIXELS**0.5) + 1
    bomb[18:26] = side.to_bytes(4, "little") + side.to_bytes(4, "little")
    cases = {
        b"": "^an empty file$",
        b"text, and not a picture": "^no JPEG, PNG, BMP, GIF or WebP file, or one that is damaged",
        whole[: len(whole) // 2]: "^a JPEG file that is damaged or cut short$",
        saved(face[0], "PNG")[:200]: "^a PNG file that is damaged or cut short$",
        saved(face[0], "TIFF"): "^no JPEG, PNG, BMP, GIF or WebP file",
        bytes(bomb): "million pixels",
    }
    for content, expected in cases.items():
        with pytest.raises(NoImage, match=expected) as error:
            decode_array(content)
        assert "\n" not in str(error.value) and not str(error.value).endswith(".")
