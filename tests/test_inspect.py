"""The report on a data set in which everything that it looks for was planted."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from pipelines.commands.inspect import Inspection
from pipelines.faces.landmarks import LANDMARKS
from pipelines.inspection.examination import compare, examine, exclusions
from pipelines.inspection.reporting import inspect
from pipelines.inspection.survey import survey
from pipelines.sources.folder import FolderFaces
from pipelines.sources.synthetic import SyntheticFaces

RENDERED = SyntheticFaces(identities=4, images_per_identity=3, seed=5)
FILES = ["duplicates.png", "exclude.txt", "plots.png", "report.json", "report.md"]


class Folder:
    """A folder of faces in the making."""

    def __init__(self, path):
        self.path = path
        self._rows = []

    def add(self, name, image, landmarks=None, encode=tf.io.encode_jpeg):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = np.clip(np.round(image), 0, 255).astype(np.uint8)
        file.write_bytes(encode(image).numpy())
        if landmarks is not None:
            self._rows.append([name, *np.ravel(landmarks)])

    def finish(self):
        columns = [f"{name}_{axis}" for name in LANDMARKS for axis in "xy"]
        with open(self.path / "landmarks.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["path", *columns], *self._rows])
        return str(self.path)


def rendered(i):
    image, landmarks = RENDERED.load(i)
    return image.numpy().astype(np.float64), landmarks.numpy().astype(np.float64)


def smaller(image, landmarks):
    size = np.array(image.shape[:2]) * 3 // 4
    return tf.image.resize(image, size, antialias=True).numpy(), (landmarks + 0.5) * 0.75 - 0.5


def mirrored(image, landmarks):
    landmarks = landmarks[[1, 0, 2, 4, 3]]
    return image[:, ::-1], np.stack([image.shape[1] - 1 - landmarks[:, 0], landmarks[:, 1]], 1)


def cut(image, landmarks):
    return image[9:119, 12:121], landmarks - [12, 9]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A set to train on and one to test on, as paths."""
    path = tmp_path_factory.mktemp("faces")
    train = Folder(path / "train")
    for i, name in enumerate(["Ann_Lee", "Bo Öz", "Cy", "Dee"]):
        for k in range(3):
            train.add(f"{name}/{k}.jpg", *rendered(3 * i + k))
    image, landmarks = smaller(*rendered(3))
    train.add("Bo Öz/brighter copy.png", image * 1.15 + 5, landmarks, tf.io.encode_png)
    train.add("Bo Öz/mirrored.jpg", *mirrored(*rendered(4)))
    train.add("Bo Öz/of Cy.jpg", *rendered(6))
    train.add("Bo Öz/really a png.jpg", rendered(5)[0], rendered(5)[1], tf.io.encode_png)
    (train.path / "Cy/cut short.jpg").write_bytes((train.path / "Cy/0.jpg").read_bytes()[:999])
    train.add("Cy/black.jpg", np.zeros((60, 50, 3)))
    train.add("Eve/0.jpg", np.repeat(rendered(0)[0][::-1].mean(2, keepdims=True), 3, 2))
    test = Folder(path / "lfw")
    test.add("ann-lee/0001.jpg", *rendered(2)[:1])
    test.add("Someone/0001.jpg", *cut(*rendered(10)))
    return train.finish(), test.finish()


@pytest.fixture(scope="module")
def report(folders, tmp_path_factory):
    """What was found in the two: the folder with the files, and the text."""
    output = tmp_path_factory.mktemp("output") / "of the report"
    text = inspect(*folders, str(output), progress=False)
    assert sorted(os.listdir(output)) == FILES
    return output, text


def read(report):
    return json.loads((report[0] / "report.json").read_text(encoding="utf-8"))


def names(found):
    return [one["image"] for one in found]


def test_counts(report):
    found = read(report)["data"]
    assert (found["set"], found["identities"], found["images"]) == ("train", 5, 19)
    spread = {"least": 1, "median": 3, "mean": 19 / 5, "greatest": 7}
    assert found["images_of_an_identity"] == spread
    assert found["identities_with_one_image"] == 1
    assert names(found["unreadable"]) == ["Cy/cut short.jpg"] and found["unreadable"][0]["reason"]
    assert found["files"]["formats"] == {"JPEG": 16, "PNG": 2}
    assert found["files"]["called_otherwise"] == ["Bo Öz/really a png.jpg"]
    width = {"least": 50, "median": 128, "mean": (16 * 128 + 96 + 50) / 18, "greatest": 128}
    assert found["width"] == pytest.approx(width)
    assert found["sizes"][0] == {"width": 128, "height": 128, "images": 16}
    assert {"width": 50, "height": 60, "images": 1} in found["sizes"]
    assert found["without_contrast"] == ["Cy/black.jpg"]
    assert found["grey"] == 2
    assert names(found["landmarks"]["missing"]) == ["Cy/black.jpg", "Eve/0.jpg"]


def test_bytes(report, folders):
    images = [p for p in os.scandir(folders[0]) if p.is_dir()]
    sizes = {p.path: p.stat().st_size for d in images for p in os.scandir(d)}
    unreadable = sum(size for path, size in sizes.items() if path.endswith("cut short.jpg"))
    assert read(report)["data"]["files"]["bytes"] == sum(sizes.values()) - unreadable


def test_duplicates(report):
    found = read(report)["data"]["duplicates"]
    assert found["equal"] == [["Bo Öz/of Cy.jpg", "Cy/0.jpg"]]
    near = {tuple(pair["images"]): pair for pair in found["near"]}
    assert set(near) == {
        ("Bo Öz/0.jpg", "Bo Öz/brighter copy.png"),
        ("Bo Öz/1.jpg", "Bo Öz/mirrored.jpg"),
        ("Bo Öz/2.jpg", "Bo Öz/really a png.jpg"),
    }
    assert [pair["mirrored"] for pair in found["near"]].count(True) == 1
    assert near["Bo Öz/1.jpg", "Bo Öz/mirrored.jpg"]["mirrored"]
    assert all(pair["one_identity"] and pair["bits"] <= 71 for pair in near.values())
    assert found["identities_that_share"] == [{"identities": ["Bo Öz", "Cy"], "images": 2}]


def test_overlap(report):
    found = read(report)["overlap"]
    assert found["identities_by_name"] == {
        "same": [["Ann_Lee", "ann-lee"]], "but_prefix": [], "numbered": []
    }
    assert found["identities_by_picture"] == [
        {"identity": "Dee", "other": "Someone", "images": 1}
    ]
    assert [(one["image"], one["other"]) for one in found["images"]] == [
        ("Dee/1.jpg", "Someone/0001.jpg")
    ]
    assert found["files"] == []


def test_what_is_left_out(report):
    lines = (report[0] / "exclude.txt").read_text(encoding="utf-8").splitlines()
    excluded = dict(line.split("\t") for line in lines)
    assert list(excluded) == [
        "Ann_Lee/0.jpg", "Ann_Lee/1.jpg", "Ann_Lee/2.jpg",
        "Bo Öz/brighter copy.png", "Bo Öz/mirrored.jpg", "Bo Öz/of Cy.jpg",
        "Bo Öz/really a png.jpg", "Cy/0.jpg", "Dee/0.jpg", "Dee/1.jpg", "Dee/2.jpg",
    ]
    assert excluded["Ann_Lee/0.jpg"] == "identity in the evaluation set by name: ann-lee"
    assert excluded["Bo Öz/brighter copy.png"] == "copy of Bo Öz/0.jpg"
    assert excluded["Cy/0.jpg"] == "under two identities: Bo Öz/of Cy.jpg"
    assert excluded["Dee/0.jpg"] == "identity in the evaluation set by a picture: Someone"
    assert excluded["Dee/1.jpg"].startswith("in the evaluation set: Someone/0001.jpg, ")
    assert read(report)["excluded"] == {"name": 3, "several": 2, "copy": 3, "picture": 1,
                                        "person": 2}


def test_text_says_what_to_do(report):
    text = report[1]
    assert (report[0] / "report.md").read_text(encoding="utf-8") == text
    last = text.splitlines()[-1]
    assert last == f"Leave out 11 of 19 images, see {report[0] / 'exclude.txt'}."
    table = {line.split("|")[1].strip(): line.split("|")[2:4] for line in text.splitlines()
             if line.count("|") == 4}
    assert [cell.strip() for cell in table["images"]] == ["19", "2"]
    assert [cell.strip() for cell in table["unreadable"]] == ["1", "0"]
    assert "Cy/cut short.jpg" in text and "Bo Öz and Cy: 2 images" in text


def test_plots_are_pictures(report):
    for name in ("plots.png", "duplicates.png"):
        picture = tf.io.decode_png((report[0] / name).read_bytes(), channels=3).numpy()
        assert min(picture.shape[:2]) > 200 and picture.std() > 10


def test_survey_of_rendered_faces_agrees_with_their_pictures():
    found = survey(RENDERED, progress=False)
    assert found.unreadable == {} and len(found.bytes) == len(found.formats) == 0
    for i in range(len(RENDERED)):
        # Another graph may round otherwise.
        np.testing.assert_allclose(found.landmarks[i], RENDERED.load(i)[1], atol=1e-4)
    np.testing.assert_array_equal(found.sizes, [[128, 128]] * 12)
    assert len(np.unique(found.fingerprint)) == 12 and found.readable().all()


def test_two_people_in_one_photograph(tmp_path):
    faces = Folder(tmp_path / "faces")
    (left, of_left), (right, of_right) = rendered(0), rendered(3)
    both = np.concatenate([left, right], axis=1)
    faces.add("a/both.png", both, of_left, tf.io.encode_png)
    faces.add("b/both.png", both, of_right + [left.shape[1], 0], tf.io.encode_png)
    examined = examine(FolderFaces(faces.finish()), progress=False)
    assert examined.first.tolist() == [0, 1] and exclusions(examined) == {}


def test_a_set_without_fault(tmp_path):
    faces = Folder(tmp_path / "faces")
    for i in range(4):
        faces.add(f"{'ab'[i % 2]}/{i}.jpg", *rendered(3 * i))
    (tmp_path / "duplicates.png").write_bytes(b"of an earlier run")
    text = inspect(faces.finish(), output=str(tmp_path), progress=False)
    assert text.splitlines()[-1] == "Nothing is to be left out."
    assert (tmp_path / "exclude.txt").read_bytes() == b""
    assert not (tmp_path / "duplicates.png").exists()
    assert read([tmp_path])["overlap"] is None


def test_one_set_for_both(folders):
    examined = examine(FolderFaces(folders[1]), progress=False)
    common = compare(examined, examined, progress=False)
    assert list(exclusions(examined, examined, common)) == [0, 1]


def test_nothing_readable(tmp_path):
    (tmp_path / "faces/a").mkdir(parents=True)
    (tmp_path / "faces/a/text.jpg").write_text("no image")
    with pytest.raises(ValueError, match="None of the 1 images .* a/text.jpg") as error:
        inspect(str(tmp_path / "faces"), output=str(tmp_path / "out"), progress=False)
    assert "\n" not in str(error.value)


def test_bad_distance(tmp_path):
    for distance in (-1, 256):
        with pytest.raises(ValueError, match="distance"):
            Inspection(data=str(tmp_path), output=str(tmp_path), distance=distance).check()


def test_output_that_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file is no folder"):
        Inspection(data="synthetic", output=str(tmp_path / "file")).check()


def test_command(tmp_path):
    command = [sys.executable, "-m", "pipelines.inspect", f"--data={tmp_path / 'nowhere'}"]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "nowhere" in errors[0]
    assert "Traceback" not in result.stderr
