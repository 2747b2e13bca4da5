"""Opening every kind of source of faces by its name."""

import os
import shutil
import sys
import tarfile
import urllib.error

import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
import tensorflow_datasets as tfds
from run_folders import claim

from pipelines.batches.pairs_file import read_pairs
from pipelines.faces.alignment import similarity, template
from pipelines.sources import open_faces
from pipelines.sources.folder import FolderFaces
from pipelines.sources.joined import JoinedFaces
from pipelines.sources.lfw import MEAN_LANDMARKS, LFWFaces
from pipelines.sources.synthetic import SyntheticFaces
from pipelines.sources.tfds_faces import tfds_faces
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.run_data import RunData

pytestmark = pytest.mark.filterwarnings("ignore:Retry downloading")

HEADER = (
    "path,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,"
    "mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y\n"
)
RENDERED = SyntheticFaces(identities=4, images_per_identity=3, size=32)


@pytest.fixture(scope="module")
def rendered():
    """All pictures and landmarks of RENDERED."""
    return list(tf.data.Dataset.range(len(RENDERED)).map(RENDERED.load).as_numpy_iterator())


@pytest.fixture
def folders(tmp_path, rendered):
    """Two sets, which share a name, and a file beside them; a third one has another name."""
    for number, (name, person) in enumerate(
        [("set1", "ann"), ("set1", "bo"), ("set2", "ann"), ("other", "cy")]
    ):
        for i in range(3):
            path = tmp_path / name / person / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tf.io.encode_png(rendered[3 * number + i][0]).numpy())
    (tmp_path / "set3").write_text("a file")
    return tmp_path


def names(faces):
    return [faces.name(i) for i in range(len(faces))]


def one_line(error):
    assert "\n" not in str(error.value)


# Names


def test_rendered_faces_and_folders(folders):
    faces = open_faces("synthetic", identities=3, images_per_identity=2, seed=4)
    assert isinstance(faces, SyntheticFaces) and (len(faces), faces.seed) == (6, 4)
    faces = open_faces(f"{folders}/set1", identities=3)
    assert isinstance(faces, FolderFaces) and faces.identities == ["ann", "bo"]
    assert open_faces(folders / "set1").identities == ["ann", "bo"]


def test_several_folders_as_one(folders, rendered):
    faces = open_faces(f"{folders}/set*/")
    assert isinstance(faces, JoinedFaces)
    # Kept apart: nobody knows whether the two Anns are one.
    assert faces.identities == ["set1/ann", "set1/bo", "set2/ann"]
    assert faces.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and faces.labels.dtype == np.int32
    assert names(faces) == [f"{person}/{i}.png" for person in faces.identities for i in range(3)]
    images = list(tf.data.Dataset.range(9).map(faces.load).as_numpy_iterator())
    for i, (image, landmarks) in enumerate(images):
        np.testing.assert_array_equal(image, rendered[i][0])
        np.testing.assert_array_equal(faces.load(i)[0], rendered[i][0])
        assert np.isnan(landmarks).all()

    assert names(open_faces(f"{folders}/s?t2")) == ["ann/0.png", "ann/1.png", "ann/2.png"]
    assert open_faces(f"{folders}/*/").identities[0] == "other/cy"


def test_names_of_joined_folders_tell_them_apart(folders):
    for place in "ab":
        shutil.copytree(folders / "set1", folders / f"{place}/faces")
    faces = open_faces(f"{folders}/[ab]/faces")
    assert faces.identities == ["a/faces/ann", "a/faces/bo", "b/faces/ann", "b/faces/bo"]
    # A folder that has the name of a pattern is that folder.
    (folders / "other").rename(folders / "[ab]")
    assert open_faces(f"{folders}/[ab]").identities == ["cy"]


def test_sources_of_several_kinds_joined(folders, rendered):
    folder = FolderFaces(folders / "other")
    faces = JoinedFaces({"made": RENDERED, "found": folder, "again": folder})
    assert faces.identities[3:] == ["made/synthetic_0003", "found/cy", "again/cy"]
    assert faces.name(13) == "found/cy/1.png" and len(faces) == 18
    loaded = list(tf.data.Dataset.range(18).map(faces.load).as_numpy_iterator())
    for i in range(18):
        image, landmarks = loaded[i]
        expected, known = rendered[i if i < 12 else 9 + (i - 12) % 3]
        np.testing.assert_array_equal(image, expected)
        points = known if i < 12 else np.full((5, 2), np.nan)
        # Another graph may round otherwise.
        np.testing.assert_allclose(landmarks, points, rtol=1e-6)


def test_another_file_system(folders, rendered):
    for path in folders.glob("set*/*/*.png"):
        target = f"ram://faces/{path.relative_to(folders)}"
        tf.io.gfile.makedirs(os.path.dirname(target))
        tf.io.gfile.copy(path, target, overwrite=True)
    with tf.io.gfile.GFile("ram://faces/set1/landmarks.csv", "w") as table:
        table.write(f"{HEADER}bo/1.png,0,1,2,3,4,5,6,7,8,9\n")
    faces = open_faces("ram://faces/set1")
    assert names(faces) == [f"{person}/{i}.png" for person in ("ann", "bo") for i in range(3)]
    np.testing.assert_array_equal(faces.load(4)[0], rendered[4][0])
    np.testing.assert_array_equal(faces.load(4)[1], np.arange(10).reshape(5, 2))
    joined = open_faces("ram://faces/set*")
    assert joined.identities == ["set1/ann", "set1/bo", "set2/ann"]
    np.testing.assert_array_equal(joined.load(7)[0], rendered[7][0])


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("no such folder", FileNotFoundError, "No folder no such folder: give 'synthetic', 'lfw'"),
        ("casia:train", ValueError, "casia:train: there are no faces of the kind 'casia'; give"),
        ("/no such place/set*/", FileNotFoundError, "No folder matches /no such place/set"),
        ("nowhere://faces", OSError, "nowhere://faces"),
        ("ram://nothing here", FileNotFoundError, "No folder ram://nothing here"),
        ("tfds:", ValueError, "tfds: names no data set"),
        ("tfds:no_such_faces", ValueError, "tfds:no_such_faces: .*no_such_faces not found"),
        ("tfds:mnist:9.9.9", ValueError, "tfds:mnist:9.9.9: .*only: "),
    ],
)
def test_names_of_nothing(name, error, message):
    with pytest.raises(error, match=message) as raised:
        open_faces(name)
    one_line(raised)


def test_tensorflow_datasets_may_be_missing(monkeypatch):
    monkeypatch.delitem(sys.modules, "pipelines.sources.tfds_faces")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'sparseface_tf\[tfds\]'") as raised:
        open_faces("tfds:lfw")
    one_line(raised)


# LFW


@pytest.fixture
def network(monkeypatch):
    """No network; a list of what was asked of it."""
    asked = []

    def refuse(url, *_):
        asked.append(url)
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr("sklearn.datasets._base.urlretrieve", refuse)
    monkeypatch.setattr("sklearn.datasets._base.time.sleep", lambda seconds: None)
    return asked


@pytest.fixture
def lfw_home(tmp_path, monkeypatch, rendered, network):
    """A cache as scikit-learn leaves it, of rendered faces."""
    home = tmp_path / "cache/lfw_home"
    for i, (image, _) in enumerate(rendered):
        person = f"Ann_{'ABCD'[RENDERED.labels[i]]}"
        path = home / "lfw_funneled" / person / f"{person}_{i % 3 + 1:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = tf.image.resize(image, (250, 250), method="nearest")
        path.write_bytes(tf.io.encode_jpeg(picture).numpy())
    (home / "lfw_funneled/pairs_01.txt").write_text("one of LFW's own files beside the people")
    (home / "pairs.txt").write_text(
        "2\t1\nAnn_A\t1\t3\nAnn_A\t1\tAnn_C\t2\nAnn_D\t2\t3\nAnn_B\t1\tAnn_D\t2\n"
    )
    (home / "pairsDevTrain.txt").write_text("1\nAnn_B\t1\t2\nAnn_B\t1\tAnn_C\t1\n")
    (home / "pairsDevTest.txt").write_text("1\nAnn_C\t1\t2\nAnn_D\t1\tAnn_C\t1\n")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    return home


def files_in(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_lfw_from_the_cache(lfw_home, network, rendered):
    before = files_in(lfw_home)
    faces = open_faces("lfw")
    assert not network and files_in(lfw_home) == before
    assert faces.identities == ["Ann_A", "Ann_B", "Ann_C", "Ann_D"]
    assert names(faces)[:4] == [f"Ann_A/Ann_A_000{i}.jpg" for i in (1, 2, 3)] + [
        "Ann_B/Ann_B_0001.jpg"
    ]
    image, landmarks = faces.load(5)
    small = tf.image.resize(image, (32, 32), antialias=True).numpy()
    assert image.shape == (250, 250, 3)
    assert np.argmin([np.abs(small - picture).mean() for picture, _ in rendered]) == 5
    np.testing.assert_allclose(landmarks, MEAN_LANDMARKS, rtol=1e-6)
    pairs = read_pairs(faces.pairs["10_folds"], faces)
    assert pairs.images.tolist() == [[0, 2], [0, 7], [10, 11], [3, 10]]
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert read_pairs(faces.pairs["train"], faces).images.tolist() == [[3, 4], [3, 6]]
    assert read_pairs(faces.pairs["test"], faces).images.tolist() == [[6, 7], [9, 6]]

    elsewhere = lfw_home.parent.rename(lfw_home.parent.parent / "moved")
    assert names(LFWFaces(elsewhere, download_if_missing=False)) == names(faces)
    # scikit-learn itself takes it for its own.
    people = sklearn.datasets.fetch_lfw_people(
        data_home=elsewhere, slice_=(slice(0, 9), slice(0, 9)), resize=None
    )
    assert people.images.shape == (12, 9, 9) and not network


def test_landmarks_of_lfw(lfw_home):
    (lfw_home / "lfw_funneled/landmarks.csv").write_text(
        HEADER + "Ann_A/Ann_A_0002.jpg,0,1,2,3,4,5,6,7,8,9\n"
    )
    faces = open_faces("lfw")
    np.testing.assert_array_equal(faces.load(1)[1], np.arange(10).reshape(5, 2))
    np.testing.assert_allclose(faces.load(2)[1], MEAN_LANDMARKS, rtol=1e-6)


def test_mean_landmarks_are_a_face():
    """A typing error in one of the numbers would pull it off the template."""
    a, b = similarity(tf.constant(MEAN_LANDMARKS, tf.float64), template(112, 96))
    points = np.array(MEAN_LANDMARKS) @ [1, 1j] * a.numpy() + b.numpy()
    error = np.abs(points - template(112, 96).numpy() @ [1, 1j])
    assert error.max() < 2.5
    # Upright, and about 45 % of the image.
    assert abs(np.angle(a.numpy())) < 0.05 and 0.4 < 96 / abs(a.numpy()) / 250 < 0.5


def test_lfw_without_cache_and_network(tmp_path, monkeypatch, network):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "empty"))
    with pytest.raises(OSError, match="not complete in .*lfw_home .*name resolution") as raised:
        open_faces("lfw")
    one_line(raised)
    assert network
    network.clear()
    with pytest.raises(OSError, match="not complete in .*pairsDevTrain.txt is missing"):
        LFWFaces(download_if_missing=False)
    assert not network


def test_lfw_with_a_part_of_the_cache(lfw_home, network):
    shutil.rmtree(lfw_home / "lfw_funneled")
    with pytest.raises(OSError, match="could not be fetched"):
        open_faces("lfw")
    assert network == [sklearn.datasets._lfw.FUNNELED_ARCHIVE.url] * len(network)


def archive_of(folder):
    """An archive of LFW beside the unpacked folder."""
    with tarfile.open(folder.parent / "lfw-funneled.tgz", "w:gz") as archive:
        archive.add(folder, "lfw_funneled")


def test_an_archive_is_unpacked(lfw_home, network):
    expected = names(open_faces("lfw"))
    archive_of(lfw_home / "lfw_funneled")
    shutil.rmtree(lfw_home / "lfw_funneled")
    assert names(open_faces("lfw")) == expected
    assert not (lfw_home / "lfw-funneled.tgz").exists() and not network


def test_half_an_archive(lfw_home):
    archive_of(lfw_home / "lfw_funneled")
    shutil.rmtree(lfw_home / "lfw_funneled")
    os.truncate(lfw_home / "lfw-funneled.tgz", 2000)
    with pytest.raises(OSError, match="could not be fetched") as raised:
        open_faces("lfw")
    one_line(raised)


def test_an_interrupted_unpacking_is_noticed(lfw_home, network):
    archive_of(lfw_home / "lfw_funneled")
    shutil.rmtree(lfw_home / "lfw_funneled/Ann_D")
    with pytest.raises(OSError, match="lfw_funneled was not unpacked to the end: remove") as raised:
        open_faces("lfw")
    one_line(raised)
    shutil.rmtree(lfw_home / "lfw_funneled")
    assert "Ann_D" in open_faces("lfw").identities and not network


def test_a_run_tests_on_lfw_with_its_own_pairs(lfw_home, tmp_path):
    # Enough images for the folds of held-out pairs.
    for path in lfw_home.glob("lfw_funneled/*/*_0001.jpg"):
        image = tf.io.decode_jpeg(path.read_bytes())
        for number, other in ((4, image[:, ::-1]), (5, 255 - image)):
            name = path.name.replace("1.jpg", f"{number}.jpg")
            path.with_name(name).write_bytes(tf.io.encode_jpeg(other).numpy())
    excluded = "Ann_A/Ann_A_0002.jpg"
    (tmp_path / "exclude.txt").write_text(f"{excluded}\n")
    settings = Experiment.of(
        data="lfw", test_data="lfw", exclude=str(tmp_path / "exclude.txt"), steps=1, pairs=2,
        held_out=2, held_out_pairs=20, output=str(tmp_path / "run"),
    )  # fmt: skip
    settings.check()
    claim(settings)
    data = RunData(
        settings.data, region=settings.region(), augmentation=settings.augmentation.made(),
        pairs=2, seed=0, output=settings.run.output,
    )  # fmt: skip
    data.open()
    data.check()
    test, pairs, same, folds = data.tests["test"]
    assert pairs.tolist() == [[0, 2], [0, 11], [16, 17], [5, 16]] and len(test) == 20
    assert same.tolist() == [True, False, True, False] and folds.tolist() == [0, 0, 1, 1]
    used = names(data.training) + names(data.held_out)
    assert sorted(used) == sorted(set(names(test)) - {excluded})


# TensorFlow Datasets


CELEBA = [f"{name}_{axis}" for name in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
          for axis in "xy"]  # fmt: skip
WHO = ["Ann/Lee", ".Bo", "Çağ Öz", "50 %"]


class _Rendered(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _split_generators(self, manager):
        return {"train": self._generate_examples(0, 9), "test": self._generate_examples(9, 12)}

    def _generate_examples(self, start, stop):
        for i in range(start, stop):
            yield i, self.example(i, *RENDERED.load(i))

    def info_of(self, **features):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))


class LikeCelebA(_Rendered):
    def _info(self):
        return self.info_of(
            image=tfds.features.Image(encoding_format="jpeg"),
            landmarks={name: np.int64 for name in CELEBA},
            identity={"Identity_No": np.int64},
            label=np.float32,
        )

    def example(self, i, image, landmarks):
        return {
            "image": image.numpy(),
            "landmarks": dict(zip(CELEBA, landmarks.numpy().astype(int).ravel().tolist())),
            "identity": {"Identity_No": 100 + int(RENDERED.labels[i])},
            "label": 0.5,
        }


class LikeLfw(_Rendered):
    def _info(self):
        photograph = tfds.features.Image(shape=(32, 32, 3), encoding_format="png")
        return self.info_of(label=tfds.features.Text(), photograph=photograph)

    def example(self, i, image, landmarks):
        return {"photograph": image.numpy(), "label": WHO[RENDERED.labels[i]]}


class WithClasses(_Rendered):
    def _info(self):
        return self.info_of(
            person=tfds.features.ClassLabel(names=["a", "b", "c", "d"]),
            image=tfds.features.Image(shape=(32, 32, 3)),
            mask=tfds.features.Image(shape=(32, 32, 1)),
            landmarks={name: np.float32 for name in CELEBA},
        )

    def example(self, i, image, landmarks):
        # Left is the person's own left here; the last picture shows nobody knows whom.
        own_left = landmarks.numpy()[[1, 0, 2, 4, 3]].ravel()
        return {
            "image": image.numpy(),
            "mask": np.zeros((32, 32, 1), np.uint8),
            "person": int(RENDERED.labels[i]) if i < 11 else -1,
            "landmarks": dict(zip(CELEBA, own_left.tolist())),
        }


class WithoutPeople(_Rendered):
    def _info(self):
        return self.info_of(image=tfds.features.Image(), label=np.float32, mood=np.int64)


class WithoutImages(_Rendered):
    def _info(self):
        return self.info_of(sound=tfds.features.Audio(), label=np.int64)


class NotToBeHad(LikeLfw):
    def _split_generators(self, manager):
        raise OSError("No route to host\nand more that nobody wants to read")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Folder of TensorFlow Datasets."""
    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    tfds.disable_progress_bar()
    for builder in (LikeCelebA, LikeLfw, WithClasses):
        builder(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture
def opened(prepared, tmp_path):
    """Opens a data set by its name."""
    return lambda name: tfds_faces(
        name, data_dir=prepared, cache=tmp_path / "exports", progress=False
    )


def recognised(faces, rendered):
    """For each image of the faces the one of RENDERED that it is, and its landmarks."""
    found = []
    for image, landmarks in tf.data.Dataset.range(len(faces)).map(faces.load).as_numpy_iterator():
        errors = [np.abs(image.astype(int) - known).mean() for known, _ in rendered]
        found.append((int(np.argmin(errors)), landmarks))
        assert min(errors) < 12 and sorted(errors)[1] > 2 * min(errors)  # JPEG
    return found


def test_a_data_set_like_celeba(opened, rendered):
    faces = opened("like_celeb_a:1.0.0")
    assert faces.identities == ["100", "101", "102"]
    assert all(name.endswith(".jpg") for name in names(faces))
    found = recognised(faces, rendered)
    assert sorted(number for number, _ in found) == list(range(9))
    for label, (number, landmarks) in zip(faces.labels, found, strict=True):
        assert label == RENDERED.labels[number]
        np.testing.assert_array_equal(landmarks, np.floor(rendered[number][1]))


def test_a_data_set_like_lfw(opened, rendered, tmp_path):
    faces = opened("like_lfw:train[:4]+test")
    people = {"%2EBo": ".Bo", "50 %25": "50 %", "Ann%2FLee": "Ann/Lee", "Çağ Öz": "Çağ Öz"}
    assert len(faces) == 7 and all(name.endswith(".png") for name in names(faces))
    found = recognised(faces, rendered)
    assert len({number for number, _ in found}) == 7
    assert {9, 10, 11} < {number for number, _ in found}
    for label, (number, landmarks) in zip(faces.labels, found, strict=True):
        assert people[faces.identities[label]] == WHO[RENDERED.labels[number]]
        np.testing.assert_array_equal(faces.load(0)[0], rendered[found[0][0]][0])
        assert np.isnan(landmarks).all()
    # Exported once only.
    before = files_in(tmp_path / "exports")
    assert names(opened("like_lfw:train[:4]+test")) == names(faces)
    assert files_in(tmp_path / "exports") == before and len(before) == 7


def test_an_interrupted_export_goes_on(opened, rendered, tmp_path, monkeypatch):
    written = []
    replace = os.replace

    def replace_a_few(source, target):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_a_few)
        with pytest.raises(KeyboardInterrupt):
            opened("with_classes")
    assert len(files_in(tmp_path / "exports")) == 6  # and the one that was being written
    before = {path.name: time for path, time in files_in(tmp_path / "exports").items()}
    faces = opened("with_classes")
    after = {path.name: time for path, time in files_in(tmp_path / "exports").items()}
    images = set(after) - {"landmarks.csv"}
    assert images == {f"{i:07d}.png" for i in range(9)}
    assert {name for name in images if after[name] == before.get(name)} == {
        os.path.basename(name) for name in written
    }

    assert faces.identities == ["a", "b", "c"]
    found = recognised(faces, rendered)
    assert sorted(number for number, _ in found) == list(range(9))
    for label, (number, landmarks) in zip(faces.labels, found, strict=True):
        assert label == RENDERED.labels[number]
        np.testing.assert_array_equal(landmarks, rendered[number][1])


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("without_people", ValueError, r"who is in an image: .* \(image, label, mood\) none is"),
        ("without_images", ValueError, "0 image features .* are label, sound|sound, label"),
        ("like_lfw:validation", ValueError, "Unknown split 'validation'. Should be one of"),
        ("with_classes:test", ValueError, r"Record \d does not say who it is"),
        ("not_to_be_had", OSError, "not_to_be_had could not be prepared: No route to host"),
    ],
)
def test_data_sets_that_cannot_be_used(opened, name, error, message):
    with pytest.raises(error, match=message) as raised:
        opened(name)
    one_line(raised)
