"""The shipped detector is the package mtcnn's: its networks, and what happens between them."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.detection.boxes import overlapping_less, squares
from pipelines.sources.synthetic import SyntheticFaces

pytest.importorskip("ai_edge_litert")
from pipelines.detection.mtcnn import NETWORKS, MtcnnDetector  # noqa: E402, needs LiteRT


@pytest.fixture(scope="module")
def original():
    return pytest.importorskip("mtcnn").MTCNN()


@pytest.fixture(scope="module")
def pictures():
    """Rendered faces of several sizes on two grounds, uint8 (2, 200, 200, 3)."""
    faces = SyntheticFaces(identities=4, images_per_identity=1)
    pictures = np.full((2, 200, 200, 3), 90, np.uint8)
    for i, (picture, place, side) in enumerate([(0, 0, 110), (0, 110, 80), (1, 20, 170), (1, 0, 30)]):
        face = Image.fromarray(faces.load(tf.constant(i))[0].numpy()).resize((side, side))
        pictures[picture, place : place + side, place : place + side] = face
    return pictures


def test_it_finds_the_faces_of_the_package(original, pictures):
    found = MtcnnDetector()(pictures)
    assert sum(map(len, found)) >= 2
    for picture, faces in zip(pictures, found):
        rows = original.detect_faces(
            [picture.astype(np.float32)], output_type="numpy", box_format="xyxy", postprocess=False
        )
        assert len(faces) == len(rows)
        for face, row in zip(sorted(faces, key=lambda f: f.box[0]), rows[np.argsort(rows[:, 1])]):
            np.testing.assert_allclose(face.box, row[1:5], atol=0.05)
            np.testing.assert_allclose(face.landmarks.T.ravel(), row[6:], atol=0.05)
            np.testing.assert_allclose(face.confidence, row[5], atol=1e-3)


def test_its_networks_are_those_of_the_package(original):
    detector, generator = MtcnnDetector(), np.random.default_rng(0)
    runners = {"pnet": detector._open("pnet"), **detector._refining}
    for (name, size), stage in zip(NETWORKS.items(), original.stages):
        images = generator.uniform(-1, 1, (3, size, size, 3)).astype(np.float32)
        found = runners[name](image=images)
        expected = dict(zip(("shift", "landmarks", "score") if len(found) == 3 else ("shift", "score"),
                            stage.model(images)))  # fmt: skip
        assert found.keys() == expected.keys()
        for output, values in expected.items():
            np.testing.assert_allclose(found[output], values, atol=1e-5)


def test_a_network_is_converted_anew_to_the_same(original):
    from pipelines.detection.mtcnn import FOLDER  # noqa: PLC0415
    from sparseface_tf.export.tflite.detector import converted  # noqa: PLC0415, with Keras
    from sparseface_tf.tflite.flatbuffer import File  # noqa: PLC0415

    mine = File(converted(original.stages[0].model, None))
    with open(f"{FOLDER}/pnet.tflite", "rb") as file:
        shipped = File(file.read())
    assert [one.name for one in mine.operators()] == [one.name for one in shipped.operators()]
    assert mine.inputs().keys() == shipped.inputs().keys() == {"image"}
    weights = [
        sorted(
            (file.constant(i).tobytes() for i in range(len(file.graph.tensors)) if file.constant(i) is not None),
        )
        for file in (mine, shipped)
    ]
    assert weights[0] == weights[1]


def test_small_and_empty_images_have_no_faces():
    detector = MtcnnDetector()
    for height, width in ((1, 1), (19, 200), (20, 20), (128, 128)):
        assert detector(np.full((1, height, width, 3), 128, np.uint8)) == [[]]
    assert detector(np.zeros((0, 64, 64, 3), np.uint8)) == []


def test_overlapping_boxes_by_loops():
    generator = np.random.default_rng(1)
    corners = generator.uniform(0, 60, (400, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(5, 30, (400, 2))], 1)
    scores = generator.uniform(size=400)

    def share(a, b, of_smaller):
        across, down = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
        common = max(across, 0) * max(down, 0)
        areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
        return common / (min(areas) if of_smaller else sum(areas) - common)

    for of_smaller in (False, True):
        expected = [
            i
            for i in np.argsort(-scores)
            if not any(
                share(boxes[i], boxes[j], of_smaller) > 0.3
                for j in np.flatnonzero(scores > scores[i])
            )
        ]
        found = overlapping_less(boxes, scores, 0.3, of_smaller=of_smaller)
        assert 0 < len(found) < 400 and found.tolist() == expected
    assert len(overlapping_less(np.zeros((0, 4)), np.zeros(0), 0.5)) == 0


def test_squares_by_hand():
    np.testing.assert_allclose(squares(np.array([[0.0, 0, 10, 20]])), [[-5, 0, 15, 20]])
