"""Faults of landmarks, planted one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from pipelines.faces.alignment import TEMPLATE
from pipelines.inspection.landmark_sanity import Faults, faults, fit

EYES = np.hypot(*np.subtract(TEMPLATE[1], TEMPLATE[0]))
SIZE = (200, 160)


def face(scale=1.0, degrees=0.0, x=80.0, y=100.0):
    """The template, centred at x and y, turned clockwise; float64 (5, 2)."""
    points = np.array(TEMPLATE) @ [1, 1j]
    points = (points - points.mean()) * scale * np.exp(1j * np.radians(degrees)) + complex(x, y)
    return np.stack([points.real, points.imag], axis=1)


def found(*landmarks):
    """Faults by name, where there are any."""
    everything, _ = faults(np.stack(landmarks), np.tile(SIZE, (len(landmarks), 1)))
    return {name: images for name, images in everything._asdict().items() if images}


@examples(25)
@given(
    st.floats(0.1, 10), st.floats(-179, 179), st.floats(-50, 50), st.floats(-50, 50)
)
def test_fit_tells_how_the_face_lies(scale, degrees, x, y):
    scales, roll, residual = fit(face(scale, degrees, x, y)[None])
    np.testing.assert_allclose([scales[0], roll[0]], [1 / scale, degrees], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(residual, 0, atol=1e-6)


def test_residual_is_in_eye_distances():
    # Across the face's width a shift of one point moves the fit too; a symmetric one does not.
    moved = face()
    moved[[0, 1], 0] += [-EYES / 10, EYES / 10]
    moved[[3, 4], 0] += [EYES / 10, -EYES / 10]
    _, _, residual = fit(moved[None])
    assert residual[0] == pytest.approx(0.1 * np.sqrt(4 / 5), rel=0.02)


def test_good_faces_have_no_faults():
    generator = np.random.default_rng(0)
    faces = [face(1.2, roll) + generator.normal(0, 2, (5, 2)) for roll in range(-40, 41, 10)]
    assert found(*faces) == {}
    # Points at the very edge are inside.
    edge = face()
    edge -= edge.min(axis=0) + 0.49
    assert found(edge) == {}


def test_missing_and_one_point():
    partly = face()
    partly[3, 1] = np.nan
    infinite = face()
    infinite[2, 0] = np.inf
    point = np.full((5, 2), 30.0) + np.linspace(0, 0.5, 5)[:, None]
    outside_point = np.full((5, 2), -30.0)
    assert found(np.full((5, 2), np.nan), face(), partly, infinite, point, outside_point) == {
        "missing": {0: None, 2: None, 3: None},
        "one_point": {4: None, 5: None},
    }


def test_outside_the_image_the_farthest_first():
    left, below = face(), face()
    left[:, 0] -= left[:, 0].min() + 0.5 + EYES / 2
    below[:, 1] += SIZE[0] - 0.5 + EYES - below[:, 1].max()
    # Width and height are not taken for each other.
    right = face(x=SIZE[1] + 3)
    result = found(face(), left, below, right)
    assert list(result) == ["outside"]
    assert list(result["outside"]) == [2, 3, 1]
    assert result["outside"][1] == pytest.approx(0.5, rel=1e-3)
    assert result["outside"][2] == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    "order, names",
    [
        ([1, 0, 2, 3, 4], "eyes"),
        ([0, 1, 2, 4, 3], "mouth corners"),
        ([1, 0, 2, 4, 3], "eyes and mouth corners"),
    ],
)
@pytest.mark.parametrize("roll", [-30, 0, 20])
def test_left_and_right_exchanged(order, names, roll):
    generator = np.random.default_rng(1)
    noisy = face(1.1, roll) + generator.normal(0, 1.5, (5, 2))
    assert found(noisy, noisy[order]) == {"exchanged": {1: names}}


def test_upside_down_and_tilted():
    result = found(face(1, 170), face(1, 60), face(1, -90), face(1, 44), face(1, -136))
    assert result["upside_down"] == pytest.approx({0: 170, 4: 136})
    assert list(result["tilted"]) == [2, 1]
    assert set(result) == {"upside_down", "tilted"}
    # y counted from below: a mirror image, so left and right seem exchanged as well.
    flipped = face()
    flipped[:, 1] = SIZE[0] - 1 - flipped[:, 1]
    result = found(flipped)
    assert result["exchanged"] == {0: "eyes and mouth corners"}
    assert result["upside_down"] == pytest.approx({0: 180}, abs=1)


def test_implausible_the_worst_first():
    # A nose far from the face, and eyes and mouth at one height.
    nose, flat = face(), face()
    nose[2, 1] -= 1.3 * EYES
    flat[:2, 1] = flat[3:, 1]
    result = found(face(), nose, flat)
    assert set(result) == {"implausible"}
    assert set(result["implausible"]) == {1, 2}
    assert list(result["implausible"].values()) == sorted(
        result["implausible"].values(), reverse=True
    )


def test_small():
    result = found(face(0.45), face(0.55), face(0.3))
    assert set(result) == {"small"}
    assert result["small"] == pytest.approx({2: 1 / 0.3, 0: 1 / 0.45})


def test_no_image():
    everything, fitted = faults(np.zeros((0, 5, 2)), np.zeros((0, 2), int))
    assert everything == Faults(*[{}] * 8) and len(fitted.roll) == 0
