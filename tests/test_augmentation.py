"""Augmentation: each kind alone does what it says, within its limits, as a function of the seed."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from pipelines.batches.batches import training_crop
from pipelines.faces.alignment import TEMPLATE
from pipelines.faces.augmentation import Augmentation
from pipelines.faces.regions import Region

FACE = Region("face")
LANDMARKS = np.array(TEMPLATE, np.float32) + [40, 30]


def spots(centres, height=180, width=180):
    """Bright spots on black, in one channel each."""
    y, x = np.mgrid[:height, :width]
    spots = [np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) for cx, cy in centres]
    return (255 * np.stack(spots, -1)).astype(np.float32)


def places(crop):
    """Centres of mass of the channels, complex."""
    crop = np.asarray(crop, np.float64)
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    return (crop * (x + 1j * y)[..., None]).sum((0, 1)) / crop.sum((0, 1))


def crop_of(image, example=0, seed=0, mirrored=False, landmarks=LANDMARKS, **amounts):
    augmentation = Augmentation(**{"flip": False, **amounts})
    return np.asarray(
        training_crop(
            image,
            landmarks.astype(np.float32),
            FACE,
            augmentation,
            mirrored=tf.constant(mirrored),
            seed=seed,
            example=tf.constant(example, tf.int64),
        )
    )


# Three spots around the middle of the crop, which lies at (40 + 47.5, 30 + 55.5) of the image.
MIDDLE = np.array([87.5, 85.5])
SPOTS = spots([MIDDLE + [-15, -10], MIDDLE + [15, -10], MIDDLE + [0, 15]])


def motion_of(**amounts):
    """Turn and shift that brought the spots where they are, for many examples."""
    before = places(crop_of(SPOTS)) - (47.5 + 55.5j)
    found = []
    for example in range(40):
        after = places(crop_of(SPOTS, example, **amounts)) - (47.5 + 55.5j)
        turn, shift = np.linalg.lstsq(np.stack([before, np.ones(3)], 1), after, rcond=None)[0]
        found.append((turn, shift))
    return map(np.array, zip(*found))


def test_rotation():
    turn, shift = motion_of(rotation=20.0)
    np.testing.assert_allclose(np.abs(turn), 1, atol=0.01)
    np.testing.assert_allclose(np.abs(shift), 0, atol=0.15)
    angle = np.degrees(np.angle(turn))
    assert np.abs(angle).max() <= 20.3 and angle.max() > 12 and angle.min() < -12


def test_scaling():
    turn, shift = motion_of(scaling=0.25)
    np.testing.assert_allclose(np.angle(turn), 0, atol=0.01)
    np.testing.assert_allclose(np.abs(shift), 0, atol=0.15)
    assert 1 / 1.26 <= np.abs(turn).min() < 0.9 and 1.1 < np.abs(turn).max() <= 1.26


def test_shift():
    turn, shift = motion_of(shift=0.1)
    np.testing.assert_allclose(turn, 1, atol=0.01)
    for extent, size in ((shift.real, 96), (shift.imag, 112)):
        assert np.abs(extent).max() <= 0.1 * size + 0.1
        assert extent.max() > 0.06 * size and extent.min() < -0.06 * size


def test_jitter_moves_a_little():
    turn, shift = motion_of(jitter=0.05)
    assert 0.005 < np.std(np.abs(turn)) < 0.1
    assert 0.2 < np.std(shift.real) < 3 and 0.2 < np.std(shift.imag) < 3
    # Unknown landmarks stay unknown: the centre of the image is taken, as ever.
    unknown = np.full((5, 2), np.nan)
    plain = crop_of(SPOTS, landmarks=unknown)
    np.testing.assert_array_equal(crop_of(SPOTS, landmarks=unknown, jitter=0.05), plain)


def test_brightness_and_contrast():
    image = np.full((180, 180, 3), 100.0, np.float32)
    image[:90] = 140
    shifts, factors = [], []
    for example in range(40):
        bright = crop_of(image, example, brightness=0.2)
        np.testing.assert_allclose(bright - crop_of(image), bright[0, 0, 0] - 140, atol=1e-3)
        shifts.append((bright[0, 0, 0] - 140) / 255)
        contrast = crop_of(image, example, contrast=0.5)
        np.testing.assert_allclose(contrast.mean(), crop_of(image).mean(), atol=1e-2)
        factors.append((contrast[0, 0, 0] - contrast[-1, 0, 0]) / 40)
    assert -0.2 <= min(shifts) < -0.1 and 0.1 < max(shifts) <= 0.2
    assert 1 / 1.5 <= min(factors) < 0.8 and 1.2 < max(factors) <= 1.5


def test_blur_spreads_a_point_and_keeps_its_mass():
    image = np.zeros((180, 180, 3), np.float32)
    image[85, 87] = 255.0
    variances = []
    for example in range(20):
        blurred = crop_of(image, example, blur=3.0)
        np.testing.assert_allclose(blurred.sum(), crop_of(image).sum(), rtol=1e-3)
        x = np.arange(96) - places(blurred)[0].real
        variances.append((blurred[..., 0].sum(0) * x**2).sum() / blurred[..., 0].sum())
    assert max(variances) <= 9.2 and max(variances) > 4 and min(variances) < 1
    # A flat image stays flat, at its border too.
    flat = np.full((180, 180, 3), 90.0, np.float32)
    np.testing.assert_allclose(crop_of(flat, blur=3.0), 90, atol=1e-3)


def test_occlusion_covers_a_rectangle_of_one_colour():
    image = np.full((180, 180, 3), 0.0, np.float32)
    shares = []
    for example in range(60):
        covered = np.any(crop_of(image, example, occlusion=0.3) != 0, -1)
        shares.append(covered.mean())
        if covered.any():
            rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
            assert covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert covered.sum() == len(rows) * len(columns)
    assert max(shares) <= 0.32
    assert 15 < np.count_nonzero(shares) < 45


def test_flip_is_drawn_elsewhere():
    image = np.random.default_rng(0).uniform(0, 255, (180, 180, 3)).astype(np.float32)
    plain = crop_of(image)
    np.testing.assert_array_equal(crop_of(image, mirrored=True), plain)
    mirrored = crop_of(image, mirrored=True, flip=True)
    np.testing.assert_allclose(mirrored, plain[:, ::-1], atol=0.01)


@examples(15)
@given(st.integers(0, 2**31), st.integers(0, 2**40))
def test_a_function_of_seed_and_example(seed, example):
    image = np.random.default_rng(1).uniform(0, 255, (150, 150, 3)).astype(np.float32)
    amounts = dict(
        jitter=0.05, rotation=15, scaling=0.1, shift=0.1, brightness=0.1, contrast=0.2, blur=1.5,
        occlusion=0.4,
    )  # fmt: skip
    crop = crop_of(image, example, seed, **amounts)
    np.testing.assert_array_equal(crop_of(image, example, seed, **amounts), crop)
    assert crop.min() >= 0 and crop.max() <= 255
    assert not np.array_equal(crop_of(image, example + 1, seed, **amounts), crop)
    assert not np.array_equal(crop_of(image, example, seed + 1, **amounts), crop)


@pytest.mark.parametrize(
    "amounts, message",
    [
        (dict(rotation=-1.0), r"rotation must be in \[0, 180\], got -1"),
        (dict(shift=15.0), r"shift must be in \[0, 0.5\]"),
        (dict(occlusion=float("nan")), "occlusion must be in"),
    ],
)
def test_amounts_that_make_no_sense(amounts, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**amounts)
