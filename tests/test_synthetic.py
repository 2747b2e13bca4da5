"""The rendered faces: repeatable, different where they should be, landmarks where drawn."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from properties import examples

from pipelines.sources import rendering
from pipelines.sources.synthetic import SyntheticFaces

FACES = SyntheticFaces(identities=40, images_per_identity=5, seed=3)


def _load(faces, index):
    image, landmarks = faces.load(index)
    return image.numpy(), landmarks.numpy()


def test_interface():
    faces = SyntheticFaces(identities=3, images_per_identity=4)
    assert len(faces) == 12
    assert faces.identities == ["synthetic_0000", "synthetic_0001", "synthetic_0002"]
    assert faces.labels.dtype == np.int32
    np.testing.assert_array_equal(faces.labels, [0] * 4 + [1] * 4 + [2] * 4)
    assert faces.name(7) == "synthetic_0001/0003.png"


@pytest.mark.parametrize("size", [32, 97, 128])
def test_shapes_and_types(size):
    image, landmarks = _load(SyntheticFaces(2, 1, size=size), 1)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert landmarks.shape == (5, 2) and landmarks.dtype == np.float32


def test_static_shapes_in_a_pipeline():
    spec = tf.data.Dataset.range(2).map(FACES.load).element_spec
    assert spec == (tf.TensorSpec((128, 128, 3), tf.uint8), tf.TensorSpec((5, 2), tf.float32))


def test_repeatable_in_any_order_and_in_parallel():
    order = np.array([17, 3, 199, 0, 64, 3, 120, 81])
    again = SyntheticFaces(identities=40, images_per_identity=5, seed=3)
    parallel = tf.data.Dataset.from_tensor_slices(order).map(again.load, num_parallel_calls=4)
    for index, (image, landmarks) in zip(order, parallel.as_numpy_iterator()):
        expected_image, expected_landmarks = _load(FACES, index)
        np.testing.assert_array_equal(image, expected_image)
        np.testing.assert_array_equal(landmarks, expected_landmarks)


def test_pictures_do_not_depend_on_how_many_people_there_are():
    np.testing.assert_array_equal(_load(SyntheticFaces(2, 5, seed=3), 9)[0], _load(FACES, 9)[0])


def test_another_seed_gives_other_people():
    other = SyntheticFaces(identities=40, images_per_identity=5, seed=4)
    assert (_load(other, 0)[0] != _load(FACES, 0)[0]).mean() > 0.5
    people = [np.array([float(v) for v in f.person(0).values()]) for f in (FACES, other)]
    assert (people[0] != people[1]).mean() > 0.9


def test_people_differ_and_stay_in_range():
    values = np.array([[float(v) for v in FACES.person(i).values()] for i in range(40)])
    mean, spread = np.array(list(rendering.IDENTITY.values())).T
    assert (np.abs(values - mean) <= 2 * spread + 1e-5).all()
    np.testing.assert_allclose(values.std(0), spread, rtol=0.5)
    np.testing.assert_allclose(values.mean(0), mean, atol=0.7 * spread.max())


def test_pictures_of_one_person_share_the_person_only(monkeypatch):
    drawn = []

    def draw(face, scene, events, key, size):
        drawn.append((face, scene))
        return tf.zeros((size, size, 3), tf.uint8), tf.zeros((5, 2))

    monkeypatch.setattr(rendering, "draw", draw)
    faces = SyntheticFaces(identities=3, images_per_identity=2)
    tf.config.run_functions_eagerly(True)
    try:
        for index in range(4):
            faces.load(index)
    finally:
        tf.config.run_functions_eagerly(False)
    face, scene = zip(*[[np.array([float(v) for v in d.values()]) for d in pair]
                        for pair in drawn])
    np.testing.assert_array_equal(face[0], face[1])
    np.testing.assert_array_equal(face[2], face[3])
    assert (face[1] != face[2]).mean() > 0.9
    assert all((scene[i] != scene[j]).mean() > 0.9 for i in range(4) for j in range(i))


@examples(60)
@hypothesis.given(st.integers(0, len(FACES) - 1))
def test_landmarks_make_a_face(index):
    landmarks = _load(FACES, index)[1]
    left_eye, right_eye, nose, mouth_left, mouth_right = landmarks
    assert (landmarks >= 0).all() and (landmarks <= 127).all()
    assert 20 < right_eye[0] - left_eye[0] < 45
    assert mouth_left[0] + 8 < mouth_right[0]
    eyes, mouth = (left_eye + right_eye) / 2, (mouth_left + mouth_right) / 2
    assert eyes[1] + 20 < mouth[1]
    assert eyes[1] < nose[1] < mouth[1]
    np.testing.assert_allclose(landmarks.mean(0), [64, 0.585 * 128], atol=10)


POSES = [dict(), dict(yaw=0.45), dict(yaw=-0.45, pitch=0.2), dict(pitch=-0.25, roll=0.25),
         dict(yaw=0.3, roll=-0.25, scale=1.1, shift_x=0.04)]


@pytest.mark.parametrize("pose", POSES)
def test_landmarks_lie_on_what_is_drawn(pose):
    """What changes with the lids, the lips' and the nose's shape is where the landmarks are."""

    @tf.function(autograph=False)
    def render(eyes_shut, lip_red, nose_width):
        face = {name: tf.constant(mean) for name, (mean, _) in rendering.IDENTITY.items()}
        scene = {name: tf.constant(mean) for name, (mean, _) in rendering.SCENE.items()}
        scene |= {name: tf.constant(value) for name, value in pose.items()}
        scene |= {"blur_x": tf.constant(0.0), "blur_y": tf.constant(0.0)}
        events = {name: tf.constant(0.0) for name in rendering.EVENTS}
        face |= {"lip_red": lip_red, "nose_width": nose_width}
        events["shut_eyes"] = eyes_shut
        image, landmarks = rendering.draw(face, scene, events, tf.constant([1, 2]), 128)
        return tf.reduce_mean(tf.cast(image, tf.float32), -1), landmarks

    plain, landmarks = [t.numpy() for t in render(0.0, 0.1, 0.19)]
    left_eye, right_eye, nose, mouth_left, mouth_right = landmarks

    def changed(*changes):
        """x, y of the pixels that change."""
        return np.argwhere(np.abs(render(*changes)[0].numpy() - plain) > 4)[:, ::-1]

    eyes = changed(1.0, 0.1, 0.19)
    nearer_left = (np.linalg.norm(eyes - left_eye, axis=1)
                   < np.linalg.norm(eyes - right_eye, axis=1))
    np.testing.assert_allclose(eyes[nearer_left].mean(0), left_eye, atol=2)
    np.testing.assert_allclose(eyes[~nearer_left].mean(0), right_eye, atol=2)

    lips = changed(0.0, 0.4, 0.19)
    axis = (mouth_right - mouth_left) / np.linalg.norm(mouth_right - mouth_left)
    along = (lips - mouth_left) @ axis
    np.testing.assert_allclose([along.min(), along.max()],
                               [0, np.linalg.norm(mouth_right - mouth_left)], atol=4)
    across = (lips - mouth_left) @ [-axis[1], axis[0]]
    assert np.abs(np.median(across)) < 4

    around_tip = changed(0.0, 0.1, 0.24)
    assert np.linalg.norm(around_tip - nose, axis=1).min() < 3
    assert np.linalg.norm(around_tip.mean(0) - nose) < 8


def test_circumstances_really_vary():
    """Within one person: tone, colour, place, sharpness; across people even more pixels."""
    faces = SyntheticFaces(identities=2, images_per_identity=60)
    images, landmarks = zip(*[_load(faces, i) for i in range(60)])
    images, landmarks = np.array(images, np.float32), np.array(landmarks)
    face = images[:, 45:100, 40:88]
    assert face.mean((1, 2, 3)).std() > 15                              # light
    assert (face[..., 0] - face[..., 2]).mean((1, 2)).std() > 10        # colour
    assert np.abs(np.diff(face, axis=2)).mean((1, 2, 3)).std() > 2      # blur and noise
    assert images[:, :20, :10].mean((1, 2, 3)).std() > 15               # background
    eyes = landmarks[:, 1] - landmarks[:, 0]
    assert np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0])).std() > 3     # roll
    assert (landmarks[:, 2] - landmarks[:, :2].mean(1))[:, 0].std() > 3  # yaw
    grey = np.ptp(face, axis=-1).mean((1, 2))
    assert grey.min() < 0.7 * np.median(grey)                           # without colour


@pytest.mark.parametrize("arguments", [dict(identities=1), dict(images_per_identity=0),
                                       dict(size=31), dict(variation=1.5), dict(variation=-0.1)])
def test_bad_arguments_say_what_to_change(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^{name} is {arguments[name]}: set it to [^\n]*$"):
        SyntheticFaces(**arguments)


def test_less_variation_makes_pictures_of_a_person_more_alike():
    spreads = []
    for variation in (0.0, 0.4, 1.0):
        faces = SyntheticFaces(identities=2, images_per_identity=20, variation=variation)
        images, landmarks = zip(*(_load(faces, i) for i in range(20)))
        spreads.append((np.std(images, axis=0).mean(), np.std(landmarks, axis=0).mean()))
        assert faces.person(1) == SyntheticFaces(2, 1).person(1)  # other pictures, the same people
    assert spreads[0][0] < spreads[1][0] < spreads[2][0]
    assert spreads[0][1] < spreads[1][1] < spreads[2][1]
    whole = SyntheticFaces(identities=2, images_per_identity=20)
    np.testing.assert_array_equal(images[3], _load(whole, 3)[0])
