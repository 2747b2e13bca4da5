"""recognize.py told the wrong thing: one line says what to type."""

import os

import pytest

from pipelines.faces.limits import EXTENSIONS
from sparseface_tf.recognition import Recogniser, Recognition
from sparseface_tf.recognition.words import PHOTOGRAPHS, check_words


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two photographs, and a folder of photographs named as its person is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b c.jpg").touch()
    (tmp_path / "scan").touch()
    (tmp_path / "Ann").mkdir()
    (tmp_path / "Ann" / "1.jpg").touch()


WRONG = [
    ("", "A command is missing: give verify A B, enroll NAME PHOTO…"),
    ("a.jpg", "'a.jpg' is no command: 'identify a.jpg' tells who is in a photograph, 'enroll NAME a"),
    ("identfy a.jpg", "'identfy a.jpg' is no command: did you mean identify?"),
    ("enrol Ann a.jpg", "did you mean enroll?"),
    ("list", "did you mean gallery list?"),
    ("remove Ann", "did you mean gallery remove NAME?"),
    ("burn", "'burn' is no command: They are verify, enroll, identify, gallery, calibrate"),
    ("verify", "verify takes two photographs, got 0: 'verify A.jpg B.jpg'"),
    ("verify a.jpg", "verify takes two photographs, got 1: 'verify a.jpg OTHER.jpg'"),
    ("verify a.jpg b.jpg c.jpg", "verify takes two photographs, got 3: 'verify a.jpg b.jpg'"),
    ("enroll", "enroll takes a name and photographs: 'enroll NAME PHOTO…'"),
    ("enroll Ann", "enroll takes a name and photographs: 'enroll Ann PHOTO…'"),
    ("enroll a.jpg", "takes the name first, and a.jpg is a photograph: 'enroll NAME a.jpg'"),
    ("enroll a.jpg Ann", "takes the name first, and a.jpg is a photograph: 'enroll Ann a.jpg"),
    ("enroll a.jpg Bob", "takes the name first, and a.jpg is a photograph: 'enroll Bob a.jpg'"),
    ("enroll a.jpg 2.HEIC Bob", "'enroll Bob a.jpg 2.HEIC'"),
    ("enroll a.jpg 2.jpg", "'enroll NAME a.jpg 2.jpg'"),
    ("enroll scan Bob", "takes the name first, and scan is a file or folder: 'enroll Bob scan'"),
    ("enroll Bob Lee a.jpg", "There is no photograph Lee; .* 'enroll 'Bob Lee' a.jpg'"),
    ("identify", "identify takes photographs: 'identify PHOTO…'"),
    ("gallery", "'gallery' is no command: 'gallery list' shows who .* 'gallery remove NAME' removes"),
    ("gallery show", "'gallery show' is no command: 'gallery list' shows"),
    ("gallery list Ann", "'gallery list Ann' is no command"),
    ("gallery remove", "Who is to be removed. 'gallery remove NAME'"),
    ("gallery remove Bob Lee", "takes one name; .*: 'gallery remove 'Bob Lee''"),
    ("calibrate DIR", "takes a folder of faces as a flag: 'calibrate --data=DIR'"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("words", "line"), WRONG)
def test_one_line_shows_what_to_type(words, line):
    if words == "enroll a.jpg Ann":  # where Ann is a folder, it is no name for certain
        os.rename("Ann", "Anna")
    with pytest.raises(ValueError, match=line) as error:
        Recogniser(Recognition()).run(words.split())  # before any network or gallery is looked for
    assert "\n" not in str(error.value) and str(error.value).count(".. ") == 0


@pytest.mark.usefixtures("here")
def test_commands_as_they_should_be_are_taken():
    for words in [
        ["verify", "a.jpg", "no"],
        ["enroll", "Bob", "a.jpg"],
        ["enroll", "Bob Lee", "a.jpg", "b c.jpg"],
        ["enroll", "Ann", "Ann/1.jpg"],  # a folder named as its person is
        ["enroll", "Bob", "scan"],
        ["enroll", "Bob", "nowhere"],  # what is not there is said of that file
        ["identify", "a.jpg", "no.jpg"],
        ["gallery", "list"],
        ["gallery", "remove", "Bob"],
        ["calibrate"],
    ]:
        check_words(words)
    assert set(EXTENSIONS) < set(PHOTOGRAPHS)


@pytest.mark.parametrize("flag", ["gallery", "calibration"])
def test_a_folder_given_for_a_file_is_said(flag, tmp_path):
    with pytest.raises(ValueError, match=rf"--{flag}=.* is a folder: give a file\."):
        Recogniser(Recognition(**{flag: str(tmp_path)}))
