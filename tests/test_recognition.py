"""recognize.py: its commands with a detector that is told what to find, and once with MTCNN."""

import io
import os
import re
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from programs import ROOT
from published import lfw_images, pictures

from pipelines.detection.face import Face
from pipelines.detection.orientation import ORIENTATION
from pipelines.sources.folder import FolderFaces
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.embedding.embeddings import CUT, Faces, FeatureCache
from sparseface_tf.embedding.systems import System
from sparseface_tf.recognition import (
    PeopleGallery,
    Recogniser,
    Recognition,
    annotation,
    photos,
    read_scorings,
)
from sparseface_tf.recognition.scoring import FILE

SIDE = 128
RENDERED = SyntheticFaces(identities=4, images_per_identity=3, size=SIDE)


def rendered(i):
    """Picture and landmarks of a rendered face."""
    return [part.numpy() for part in RENDERED.load(tf.constant(i))]


def find_pasted(images):
    """A detector: faces of photographs that `photograph` makes, fitted into 256 pixels."""
    found = []
    for image in images:
        places = [k for k in (0, 1) if image[:SIDE, k * SIDE : (k + 1) * SIDE].std() > 20]
        found.append([
            Face(
                np.array([k * SIDE + 20.0, 10, k * SIDE + 108, 120]),
                0.95,
                np.array([[44, 50], [84, 50], [64, 70], [48, 95], [80, 95]]) + [k * SIDE, 0.0],
            )
            for k in places[::-1]
        ])
    return found


def photograph(path, left=None, right=None):
    """A photograph of 256 x 128 pixels with rendered faces in its halves."""
    canvas = np.full((SIDE, 2 * SIDE, 3), 90, np.uint8)
    for k, i in enumerate((left, right)):
        if i is not None:
            canvas[:, k * SIDE : (k + 1) * SIDE] = rendered(i)[0]
    Image.fromarray(canvas).save(path)
    return str(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A network that averages pixels, calibrated on rendered people, and its faces in a folder."""
    root = tmp_path_factory.mktemp("world")
    inputs = keras.Input((28, 24, 3))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(inputs))
    keras.Model(inputs, x).save(root / "model.keras")
    lfw_images(root / "people", pictures(16, 4))
    calibrate = Recognition(
        model=str(root / "model.keras"),
        data=str(root / "people"),
        train_data=str(root / "others"),
        components=10,
        cache=str(root / "cache"),
    )
    os.mkdir(root / "others")
    for k in range(8, 16):
        os.rename(root / f"people/Person_{k:02d}", root / f"others/Person_{k:02d}")
    Recogniser(calibrate).run(["calibrate"])
    return root


@pytest.fixture
def recognise(world, tmp_path, capsys):
    """Runs a command; gives what it prints."""

    def run(*words, **settings):
        settings = {"model": str(world / "model.keras"), "size": 256, "far": 0.01} | settings
        settings.setdefault("gallery", str(tmp_path / "gallery.db"))
        capsys.readouterr()
        Recogniser(Recognition(**settings), detector=find_pasted).run([*words])
        return capsys.readouterr().out

    return run


def test_a_file_of_names_splits_one_data_set_as_two_folders_do(world, tmp_path):
    everyone = tmp_path / "everyone"
    everyone.mkdir()
    for part in ("people", "others"):
        for person in (world / part).iterdir():
            os.symlink(person, everyone / person.name)
    names = sorted(person.name for person in (world / "people").iterdir())
    (tmp_path / "held_out.txt").write_text("".join(f"{name}\n" for name in names))
    settings = dict(model=str(world / "model.keras"), components=10, cache=str(world / "cache"))
    found = tmp_path / "found.npz"
    Recogniser(Recognition(
        data=str(everyone), train_data=str(everyone), output=str(found),
        identities=str(tmp_path / "held_out.txt"), **settings,
    )).run(["calibrate"])  # fmt: skip
    with np.load(world / "recognition.npz") as expected, np.load(found) as found:
        assert expected.files == found.files
        for name in expected.files:
            np.testing.assert_array_equal(expected[name], found[name], err_msg=name)


def test_enrolled_faces_are_known_and_strangers_are_not(recognise, tmp_path):
    ann, bob = photograph(tmp_path / "ann.png", 0), photograph(tmp_path / "bob.png", 3)
    both = photograph(tmp_path / "both.png", 3, 0)
    strange = photograph(tmp_path / "strange.png", 6, 9)
    assert "ann.png: enrolled as Ann." in recognise("enroll", "Ann", ann)
    assert "bob.png: enrolled as Bob Ñ." in recognise("enroll", "Bob Ñ", bob)
    assert "bob.png: is there already as Bob Ñ." in recognise("enroll", "Bob Ñ", bob)
    assert recognise("gallery", "list").startswith("Ann: 1 face\nBob Ñ: 1 face\n2 people, 2 faces")

    told = recognise("identify", ann, both)
    assert re.search(r"ann.png: 1 face\.\n  1: Ann, \d", told)
    assert re.search(r"both.png: 2 faces\.\n  1: Bob Ñ, [\d.]+ %, score .*\n  2: Ann, \d", told)
    borders = (
        r"\(Named from [\d.]+ % on: 1 in 100 \(extrapolated\) searches for strangers gives a name. "
        r"Probably from [\d.]+ % on: 1 in 10. Beforehand 50.0 % of faces are taken to be in the "
        r"gallery, 2 faces of 2 people; cosine.\)"
    )
    assert re.search(borders, told)
    told = recognise("identify", both, scorer="joint_bayesian", far=0.05, prior=0.2)
    assert "on: 1 in 20 searches for strangers" in told and "; joint_bayesian.)" in told
    assert "Beforehand 20.0 % of faces" in told
    told = recognise("identify", strange, preset="access", far=0.0)
    assert len(re.findall(r"  [12]: unknown; nearest is (Ann|Bob Ñ), ", told)) == 2
    assert "1 in 10,000 (extrapolated) searches" in told

    assert "Removed Ann with 1 face." in recognise("gallery", "remove", "Ann")
    assert "1: unknown; nearest is Bob" in recognise("identify", ann, far=0.0001)
    recognise("gallery", "remove", "Bob Ñ")
    assert "1: unknown; the gallery is empty" in recognise("identify", ann)


def test_verify_says_what_the_scorer_says(recognise, world, tmp_path):
    first, again = photograph(tmp_path / "a.png", 0, 3), photograph(tmp_path / "b.png", None, 3)
    told = recognise("verify", first, again, face=0)
    assert "a.png: 2 faces, of which number 1 from the left is taken; --face takes" in told
    assert re.search(r"\n(Not recognised as|Probably) the same person: [\d.]+ %, score", told)
    Image.fromarray(255 - np.asarray(Image.open(first))).save(tmp_path / "negative.png")
    told = recognise("verify", first, str(tmp_path / "negative.png"), face=1)
    assert re.search(r"^Not recognised as the same person: [0-4]?\d\.\d %, score -0", told), told
    other = photograph(tmp_path / "c.png", 1, 3)
    told = recognise("verify", first, other, face=2)
    assert re.search(r"^The same person: [\d.]+ %, score 1.000\.\n\(The same from [\d.]+ % on: ", told)
    told = recognise("verify", first, other)
    embedder = open_embedder(world / "model.keras")
    features = []
    for path in (first, other):
        photo = photos.open_photo(path)
        faces = photos.find_faces(photo.image, find_pasted, size=256)
        features.append(photos.embed_faces(embedder, photo.image, faces[:1])[0].astype(float))
    cosine = np.dot(*features) / np.prod(np.linalg.norm(features, axis=1))
    assert f"score {cosine:.3f}.\n" in told and "; cosine.)" in told


def test_verify_and_identify_say_the_same_of_a_gallery_of_one(recognise, tmp_path):
    first, again = photograph(tmp_path / "a.png", 0), photograph(tmp_path / "b.png", 1)
    for options in ({}, {"far": 0.1}, {"prior": 0.1, "preset": "access"}):
        of_pair = recognise("verify", first, again, **options)
        recognise("enroll", "Ann", first)
        of_face = recognise("identify", again, **options)
        assert re.findall(r"[\d.]+ %|1 in [\d,]+", of_pair) == re.findall(r"[\d.]+ %|1 in [\d,]+", of_face)
        grades = {"The same": "  1: Ann", "Probably": "  1: probably Ann", "Not rec": "  1: unknown; "}
        (line,) = (text for start, text in grades.items() if of_pair.startswith(start))
        assert f"\n{line}" in of_face


def test_photographs_of_a_person_are_used_together(recognise, world, tmp_path):
    """One template: the mean of the features of the photographs."""
    for i in (0, 1):
        recognise("enroll", "Ann", photograph(tmp_path / f"{i}.png", i))
    probe = photograph(tmp_path / "probe.png", 2)
    told = recognise("identify", probe)
    embedder, features = open_embedder(world / "model.keras"), []
    for i in (0, 1, 2):
        photo = photos.open_photo(photograph(tmp_path / "x.png", i))
        faces = photos.find_faces(photo.image, find_pasted, size=256)
        features.append(photos.embed_faces(embedder, photo.image, faces)[0].astype(float))
    template = np.mean(features[:2], axis=0)
    cosine = template @ features[2] / np.linalg.norm(template) / np.linalg.norm(features[2])
    assert "Ann, " in told and f", score {cosine:.3f}" in told
    assert "2 faces of 1 person;" in told


def test_a_photograph_of_another_person_is_asked_about(recognise, tmp_path, monkeypatch, capsys):
    ann, bob = photograph(tmp_path / "ann.png", 0), str(tmp_path / "bob.jpg")
    Image.open(ann).save(bob, quality=90)  # another file
    assert "ann.png: enrolled as Ann." in recognise("enroll", "Ann", ann)
    assert "bob.jpg: is there already as Ann." in recognise("enroll", "Ann", bob)
    with pytest.raises(ValueError, match="1 of 1 photographs could not be used"):
        recognise("enroll", "Bob", bob)
    line = "bob.jpg: this photograph, or nearly the same, is in the gallery as Ann: 'gallery remove Ann'"
    assert line in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer in ("", "n", "y"):
        assert recognise("gallery", "list").startswith("Ann: 1 face\n1 people")
        monkeypatch.setattr("builtins.input", lambda text: answer)
        if answer != "y":
            with pytest.raises(ValueError, match="1 of 1 photographs could not be used"):
                recognise("enroll", "Bob", bob)
        else:
            assert "bob.jpg: enrolled as Bob." in recognise("enroll", "Bob", bob)
    told = recognise("identify", ann, far=0.1)
    assert re.search(r"  1: (Ann, ([\d.]+ %), score 1.000; or Bob|Bob, ([\d.]+ %).*; or Ann), ", told)
    recognise("gallery", "remove", "Bob")
    assert "bob.jpg: enrolled as Bob." in recognise("enroll", "Bob", bob, yes=True)


def test_a_calibration_is_never_overwritten(recognise, world, tmp_path):
    """Neither the one beside the model, nor one that --output names; one line, before the work."""
    before = (world / "recognition.npz").read_bytes()
    taken = tmp_path / "taken.npz"
    taken.write_bytes(b"mine")
    data = {"data": str(world / "people"), "cache": str(world / "cache")}
    for options, kept in (({}, world / "recognition.npz"), ({"output": str(taken)}, taken)):
        with pytest.raises(FileExistsError, match="is there already and is kept: give a new") as error:
            recognise("calibrate", **(data | options | {"data": "/nowhere"}))
        assert str(kept) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(ValueError, match="give the file to write as --output"):
        recognise("calibrate", calibration=str(tmp_path / "x.npz"), **data)
    new = str(tmp_path / "new.npz")
    told = recognise("calibrate", output=new, **data)
    assert f"Written to {new}: --calibration={new} uses it." in told
    assert re.search(r"cosine, two faces: [\d,]+ pairs of one person, ", told)
    assert "cosine, a face and a template of 2: " in told
    photo = photograph(tmp_path / "a.png", 0)
    assert "The same person" in recognise("verify", photo, photo, calibration=new)
    assert (world / "recognition.npz").read_bytes() == before and taken.read_bytes() == b"mine"


def test_every_network_that_comes_along_has_a_calibration():
    for folder in sorted((ROOT / "saved_models").iterdir()):
        embedder = open_embedder(folder)
        found = read_scorings(folder / FILE, f"{embedder.key}-{CUT}")
        assert [*found] == ["cosine", "joint_bayesian"]
        for one in found.values():
            assert [*one.calibrations] == [1, 2, 3, 5, 8]
            assert all(part.people > 500 for part in one.calibrations.values())


def test_features_are_those_of_training_and_evaluation(world, tmp_path):
    """Cut out and embedded as a folder with landmarks is."""
    (tmp_path / "Ann").mkdir()
    image, landmarks = rendered(5)
    Image.fromarray(image).save(tmp_path / "Ann" / "1.png")
    source = FolderFaces(tmp_path)
    source._landmarks = tf.constant(landmarks[None])
    embedder = open_embedder(world / "model.keras")
    system = System("", (embedder,))
    expected = system.features(FeatureCache(tmp_path / "cache"), Faces(source, ""), np.arange(1))
    face = Face(np.array([0, 0, 9, 9]), 1.0, landmarks)
    found = photos.embed_faces(embedder, photos.open_photo(tmp_path / "Ann/1.png").image, [face])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert photos.embed_faces(embedder, image, []).shape == (0, expected.shape[1])


def test_what_cannot_be_used_is_said_and_the_rest_is_done(recognise, tmp_path):
    good, nobody = photograph(tmp_path / "good.png", 0), photograph(tmp_path / "nobody.png")
    two = photograph(tmp_path / "two.png", 3, 6)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photograph")
    bad, none = str(tmp_path / "bad.jpg"), str(tmp_path / "none.png")
    with pytest.raises(ValueError, match="3 of 4 photographs could not be used, see above"):
        recognise("enroll", "Ann", bad, nobody, good, none)
    told = recognise("gallery", "list")
    assert told.startswith("Ann: 1 face\n")
    with pytest.raises(ValueError, match="1 of 1 photographs"):
        recognise("enroll", "Bob", good)  # the same face
    with pytest.raises(ValueError, match="1 of 1 photographs"):
        recognise("enroll", "Bob", two, face=3)
    told = recognise("identify", nobody)
    assert "nobody.png: 0 faces, upright, on either side or upside down; a larger --size" in told
    with pytest.raises(ValueError, match="nobody.png: no face found, upright, on either side or"):
        recognise("verify", good, nobody)
    with pytest.raises(ValueError, match="bad.jpg cannot be read"):
        recognise("verify", bad, good)


@pytest.fixture
def answering(monkeypatch):
    """Lets a user at a terminal answer what is asked; gives the questions."""

    def answer(*texts):
        asked, left = [], list(texts)
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))

        def ask(question):
            asked.append(question)
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr("builtins.input", ask)
        return asked

    return answer


def test_of_several_faces_it_is_asked_which_to_enroll(recognise, tmp_path, answering):
    two, one = photograph(tmp_path / "two.png", 0, 3), photograph(tmp_path / "one.png", 4)
    asked = answering("2", "", "3", "x")
    told = recognise("enroll", "Bob", two, one)
    assert asked == ["Which one is Bob? 1 to 2, or Enter for none: "]  # not about the other photograph
    assert re.search(
        r"two.png: 2 faces\.\n  1: 88 x 110 pixels, 25 % from the left .*\n  2: 88 x 110 pixels, "
        r"25 % from the right .*\n.*two.png: enrolled as Bob\.\n.*one.png: enrolled as Bob", told
    )  # fmt: skip
    # It is the second one that is known now, and the first is not.
    faces = recognise("identify", two).splitlines()
    assert "2: Bob" in faces[2] and "1: unknown" in faces[1]
    for line in ("not enrolled", "'3' is not a number from 1 to 2", "'x' is not a number", "not enrol"):
        with pytest.raises(ValueError, match="1 of 1 photographs"):  # the last: at the end of input
            recognise("enroll", "Ann", two)
    assert len(asked) == 5 and recognise("gallery", "list").startswith("Bob: 2 faces\n1 people")


def test_a_script_says_which_face_to_enroll(recognise, tmp_path, monkeypatch, capsys):
    two, save = photograph(tmp_path / "two.png", 0, 3), tmp_path / "which.png"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="1 of 1 photographs"):
        recognise("enroll", "Ann", two, save=str(save))
    told = capsys.readouterr().out
    assert "two.png: 2 faces: --face=1 to 2, counted from the left, says which one is Ann; --yes" in told
    assert "which.png shows it." in told and np.asarray(Image.open(save)).shape[1] >= 640
    with pytest.raises(FileNotFoundError, match="No gallery"):  # nothing was done
        recognise("gallery", "list")
    assert "two.png: enrolled as Bob." in recognise("enroll", "Bob", two, face=2)
    told = recognise("enroll", "Ann", two, yes=True)
    assert "of which number 1 from the left is taken" in told and "enrolled as Ann" in told


def test_one_line_says_what_to_change(recognise, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no network comes with the project
    photo = photograph(tmp_path / "a.png", 0)
    recognise("enroll", "Ann", photo)
    for words, settings, line in [
        ([], {}, "A command is missing: give verify A B, enroll"),
        (["verify", photo], {}, "verify takes two photographs, got 1"),
        (["verify", photo, photo], {"far": -0.1}, "--far must be above 0"),
        (["verify", photo, photo], {"far": 0.2}, "--far must be above 0, and 0.1 at most"),
        (["verify", photo, photo], {"far": float("nan")}, "--far must be above 0"),
        (["verify", photo, photo], {"prior": 1.0}, "--prior must be above 0 and below 1"),
        (["verify", photo, photo], {"prior": float("nan")}, "--prior must be above 0 and below 1"),
        (["verify", photo, photo], {"preset": "x"}, "--preset=x: choose from album, access"),
        (["verify", photo, photo], {"scorer": "x"}, "--scorer=x: choose from cosine"),
        (["identify", photo], {"calibration": "no.npz"}, "No calibration no.npz: sparseface recogn"),
        (["identify", photo], {"gallery": "no.db"}, "No gallery no.db: 'enroll NAME"),
        (["identify", photo], {"model": "", "gallery": "x"}, "No model .*give --model"),
        (["identify", photo, photo], {"save": "x.png"}, "--save takes one photograph"),
        (["identify", photo], {"save": "x.gif"}, "give a name that ends in .jpg"),
        (["identify", photo], {"save": photo}, "is the photograph itself"),
        (["calibrate"], {}, "No faces: give --data"),
        (["calibrate"], {"data": "no", "output": "new.npz"}, "No folder no"),
        (["calibrate"], {"data": str(world / "people"), "identities": "held_out", "output": "new.npz"}, "in no run"),
    ]:  # fmt: skip
        with pytest.raises((ValueError, OSError), match=line) as error:
            recognise(*words, **settings)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="8 people are in --data and in --train_data, the first"):
        data = str(world / "people")
        recognise("calibrate", data=data, train_data=data, output="new.npz", cache=str(world / "cache"))
    # A network with other weights: its scores mean something else, its features are no neighbours.
    inputs = keras.Input((28, 24, 3))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D((4, 8))(inputs))
    (tmp_path / "other").mkdir()
    keras.Model(inputs, x).save(tmp_path / "other/model.keras")
    other = {"model": str(tmp_path / "other"), "calibration": str(world / "recognition.npz")}
    for words in (["identify", photo], ["enroll", "Bob", photo], ["verify", photo, photo]):
        with pytest.raises(ValueError, match="of another network"):
            recognise(*words, **other)


def test_faces_are_found_upright_and_in_order(tmp_path):
    image = np.zeros((100, 200, 3), np.uint8)

    def detector(images):
        assert images.shape == (1, 400, 400, 3)
        one = np.array([[10.0, 10], [20, 10], [15, 15], [10, 20], [20, 20]])
        boxes = [[300, 20, 340, 60], [20, 20, 60, 60], [-50, 10, -2, 60], [1, 1, 9, 9]]
        sure = [0.99, 0.95, 0.99, 0.5]
        return [[Face(np.array(b, float), c, one) for b, c in zip(boxes, sure)]]

    found = photos.find_faces(image, detector, size=400)
    np.testing.assert_allclose([f.box[0] for f in found], [9.75, 149.75])
    np.testing.assert_allclose(found[0].landmarks[0], [4.75, 4.75])
    assert photos.chosen_face(found, image) == 1  # nearer to the middle
    assert photos.chosen_face(found, image, 1) == 0
    with pytest.raises(ValueError, match="face 3 was asked for, and 2 faces found"):
        photos.chosen_face(found, image, 3)


@pytest.mark.parametrize("turns", range(4))
def test_a_photograph_on_its_side_is_turned(tmp_path, turns, capsys):
    upright = np.zeros((80, 120, 3), np.uint8)
    upright[:10] = 255  # the sky

    def detector(images):
        """Finds a face under the sky; one that it is less sure of upside down."""
        faces = []
        for sure, row in ((0.99, images[0, 2]), (0.92, images[0, 77])):
            if row.mean() > 200:
                box, points = np.array([30.0, 20, 50, 40]), np.full((5, 2), 30.0)
                faces.append(Face(box, sure, points))
        return [faces]

    Image.fromarray(np.rot90(upright, turns)).save(tmp_path / "a.png")
    photo = photos.open_photo(tmp_path / "a.png")
    turned, faces, back = photos.turned_until_found(photo, detector, size=120)
    if turns == 2:  # a face is found as it is
        assert back == 0 and faces[0].confidence == 0.92
    else:
        assert (turns + back) % 4 == 0 and faces[0].confidence == 0.99
        np.testing.assert_array_equal(turned.image, upright)
        assert turned.digest == photo.digest
    settings = Recognition(size=120, gallery=str(tmp_path / "none.db"))
    Recogniser(settings, detector=detector)._faces(tmp_path / "a.png")
    said = ["", "a quarter turn to the right", "", "a quarter turn to the left"][turns]
    assert capsys.readouterr().out == (
        f"{tmp_path / 'a.png'}: no face as it is; faces were found after {said}.\n" if said else ""
    )


def test_exif_data_turns_a_photograph(tmp_path):
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:10] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # stored turned to the left
    stored = Image.fromarray(np.rot90(upright))
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    np.testing.assert_allclose(photos.open_photo(tmp_path / "a.jpg").image, upright, atol=12)


@pytest.mark.parametrize("size", [(20, 20), (40, 900), (128, 256), (1500, 2000)])
def test_labels_are_in_the_picture_and_apart(size):
    image = np.full((*size, 3), 128, np.uint8)
    height, width = size
    boxes = [[x * width, 0.4 * height, (x + 0.2) * width, 0.9 * height] for x in (-0.1, 0.1, 0.85)]
    faces = [Face(np.array(box), 1.0, np.zeros((5, 2))) for box in boxes]
    texts = ["Żółć Ивановна 99.9 %", "unknown", "a name that is much too long " * 20]
    picture = annotation.annotated(image, faces, texts, ["named", "unknown", "probably"])
    assert picture.width % width == 0 and max(picture.size) >= 640
    pixels = np.asarray(picture).astype(int)
    # Letters, white on the label's colour, are at least 12 pixels high.
    for colour in annotation.COLOURS.values():
        assert (pixels == colour).all(-1).sum() > 400
    assert (pixels > 240).all(-1).sum() > 100
    plain = annotation.annotated(image, [], [], [])
    assert plain.size == picture.size and (np.asarray(plain) == 128).all()
    both = annotation.side_by_side([picture, plain])
    assert both.size == (2 * picture.width, picture.height)


# --- As a user runs it ----------------------------------------------------------------------------


def test_command_with_faces_that_mtcnn_finds(forks, world, tmp_path, capsys):
    pytest.importorskip("mtcnn")
    canvas = np.concatenate([rendered(0)[0], rendered(3)[0]], axis=1)
    two, save = tmp_path / "two.jpg", tmp_path / "named.jpg"
    Image.fromarray(canvas).save(two, quality=95)
    settings = dict(
        model=str(world / "model.keras"), gallery=str(tmp_path / "people.db"), confidence=0.5
    )
    Recogniser(Recognition(face=1, **settings)).run(["enroll", "Ann", str(two)])
    assert "two.jpg: enrolled as Ann." in capsys.readouterr().out
    assert PeopleGallery(tmp_path / "people.db").people() == {"Ann": 1}
    # Flags before and behind the command's words; one photograph is there, one is not.
    flags = [f"--{name}={value}" for name, value in settings.items()]
    words = ("recognize.py", *flags, "identify", two, "no.jpg", "--far=0.01")
    code, output, errors = forks(*words)
    assert re.search(r"two.jpg: 2 faces\.\n  1: Ann, [\d.]+ %.*\n  2: ", output)
    assert "no.jpg cannot be read: No such file or directory." in output
    assert code == 1 and "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last == "error: 1 of 2 photographs could not be used, see above."
    Recogniser(Recognition(save=str(save), **settings)).run(["identify", str(two)])
    assert np.asarray(Image.open(io.BytesIO(save.read_bytes()))).shape[1] >= 640
