"""The similarity transform and the warp against naive NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from pipelines.faces.alignment import TEMPLATE, similarity, template
from pipelines.faces.cropping import crop_region
from pipelines.faces.regions import Region


def align(image, landmarks, height, width):
    """The whole face at some size; three channels are asked for, not to convert to grey."""
    return crop_region(image, landmarks, Region("face", height=height, width=width))


def naive_similarity(source, target):
    """a and b of the transform, by a general least squares solver."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target):
        # u = p x - q y + r, v = q x + p y + s
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    p, q, r, s = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return complex(p, q), complex(r, s)


def naive_warp(image, a, b, height, width):
    """Pixel by pixel, bilinear, 0 outside."""
    crop = np.zeros((height, width, image.shape[2]))
    for row in range(height):
        for column in range(width):
            z = (complex(column, row) - b) / a
            left, top = int(np.floor(z.real)), int(np.floor(z.imag))
            for y in (top, top + 1):
                for x in (left, left + 1):
                    if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                        weight = (1 - abs(z.imag - y)) * (1 - abs(z.real - x))
                        crop[row, column] += weight * image[y, x]
    return crop


def landmarks_at(scale, angle, x, y):
    """The template seen under a similarity transform."""
    points = np.array(TEMPLATE) @ [1, 1j] * scale * np.exp(1j * angle) + complex(x, y)
    return np.stack([points.real, points.imag], 1).astype(np.float32)


def test_template_sizes():
    np.testing.assert_allclose(template(112, 96), TEMPLATE)
    np.testing.assert_allclose(template(96, 96), np.array(TEMPLATE) - [0, 8])
    # Half the size: pixel centres of the crop lie between those of the large one.
    np.testing.assert_allclose(template(56, 48), (np.array(TEMPLATE) + 0.5) / 2 - 0.5)
    np.testing.assert_allclose(template(48, 48), template(56, 48) - np.array([0, 4]))


@examples(30)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 5.0), st.floats(-3.1, 3.1))
def test_similarity_is_least_squares(seed, scale, angle):
    generator = np.random.default_rng(seed)
    source = landmarks_at(scale, angle, 40, -20) + generator.normal(0, 2 * scale, (5, 2))
    a, b = similarity(source, template(112, 96))
    expected_a, expected_b = naive_similarity(source, TEMPLATE)
    np.testing.assert_allclose(a.numpy(), expected_a, rtol=1e-8)
    np.testing.assert_allclose(b.numpy(), expected_b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "scale, angle, x, y",
    [(1.0, 0.0, 0, 0), (0.9, 0.2, 3, 8), (1.4, -0.4, -20, 30), (0.3, 3, 60, 70)],
)
def test_warp_against_naive(scale, angle, x, y):
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (90, 110, 3)).astype(np.uint8)
    landmarks = landmarks_at(scale, angle, x, y) + generator.normal(0, 0.5, (5, 2))
    landmarks = landmarks.astype(np.float32)
    height, width = 112, 96
    crop = align(image, landmarks, height, width)
    assert crop.dtype == tf.float32
    a, b = naive_similarity(landmarks, TEMPLATE)
    assert abs(a) > 0.6  # else the source is reduced first, which the naive warp does not
    np.testing.assert_allclose(crop, naive_warp(image, a, b, height, width), atol=0.05)


def test_identity_gives_the_image_back():
    image = np.random.default_rng(0).integers(0, 256, (112, 96, 3)).astype(np.uint8)
    crop = align(image, np.array(TEMPLATE, np.float32), 112, 96)
    np.testing.assert_allclose(crop, image, atol=0.01)


@examples(25)
@given(
    st.floats(0.5, 12.0),
    st.floats(-0.5, 0.5),
    st.sampled_from([(112, 96), (96, 96), (56, 48), (48, 48)]),
    st.integers(0, 4),
)
def test_a_landmark_lands_on_the_template(scale, angle, size, which):
    """A bright spot on a landmark is on the template's place at any scale."""
    landmarks = landmarks_at(scale, angle, 0, 0)
    landmarks += 40 * scale - landmarks.min(0)
    height, width = (np.ceil(landmarks.max(0)[::-1]) + 40 * scale).astype(int)
    y, x = np.mgrid[:height, :width]
    radius = 3 * scale * 96 / size[1]
    distance = np.hypot(x - landmarks[which, 0], y - landmarks[which, 1]) / radius
    image = (255 * np.exp(-0.5 * distance**2)).astype(np.float32)[:, :, None]

    crop = align(image, landmarks, *size).numpy()[:, :, 0].astype(np.float64)
    y, x = np.mgrid[: size[0], : size[1]]
    crop[crop < 2] = 0
    # The centre of mass of a spot that is cut by the border is elsewhere: compare the maximum.
    place = template(*size).numpy()[which]
    near = np.hypot(x - place[0], y - place[1]) < 6
    centre = [(crop * near * axis).sum() / (crop * near).sum() for axis in (x, y)]
    np.testing.assert_allclose(centre, place, atol=0.2)
    assert crop.max() > 200


def test_large_sources_are_not_aliased():
    image = (np.indices((1200, 1000)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None]
    for scale in (2.0, 5.3):
        crop = align(image, landmarks_at(scale, 0.1, 100, 100), 112, 96)
        np.testing.assert_allclose(crop, 127.5, atol=12)


def test_cutting_out_changes_nothing():
    """A face far inside a large picture is that of a small one."""
    small = np.random.default_rng(1).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    large = np.pad(small, [(512, 256), (256, 512), (0, 0)])
    shift = np.array([256, 512], np.float32)
    for scale in (1.0, 2.2):
        landmarks = landmarks_at(scale, 0.2, 90, 50)
        crop = align(small, landmarks, 112, 96)
        np.testing.assert_allclose(align(large, landmarks + shift, 112, 96), crop, atol=0.5)


@pytest.mark.parametrize("landmarks", [np.nan, 50.0])
def test_without_landmarks_the_centre_is_taken(landmarks):
    """Unknown landmarks, or all in one point, which determines no transform."""
    image = np.random.default_rng(0).integers(0, 256, (112, 120, 3)).astype(np.uint8)
    crop = align(image, np.full((5, 2), landmarks, np.float32), 112, 96)
    np.testing.assert_allclose(crop, image[:, 12:108], atol=0.01)


def test_one_unknown_landmark_is_no_landmarks():
    image = np.random.default_rng(0).integers(0, 256, (112, 96, 3)).astype(np.uint8)
    landmarks = landmarks_at(0.8, 0.3, 5, 5)
    landmarks[2, 1] = np.nan
    np.testing.assert_allclose(align(image, landmarks, 112, 96), image, atol=0.01)


@pytest.mark.parametrize("shape", [(16, 16), (300, 20), (1000, 1200)])
def test_central_crop_of_any_shape(shape):
    crop = align(np.full((*shape, 3), 200, np.uint8), np.full((5, 2), np.nan, np.float32), 56, 48)
    assert crop.shape == (56, 48, 3)
    np.testing.assert_allclose(crop[2:-2, 2:-2], 200, atol=0.01)


def test_outside_the_image_is_black():
    image = np.full((100, 100, 3), 255, np.uint8)
    crop = align(image, landmarks_at(1.0, 0.0, 5000, 5000), 112, 96)
    np.testing.assert_array_equal(crop, 0)
