"""Names that meet names: lists, tables and files, written by different systems."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from pipelines.batches.pairs_file import read_pairs
from pipelines.detection import detect_landmarks
from pipelines.faces.landmarks import NUMBERS, add_landmarks, read_landmarks
from pipelines.faces.names import MissingImages, comparable, find_images
from pipelines.inspection.exclusion import without
from pipelines.sources.folder import FolderFaces

HEADER = "path," + ",".join(NUMBERS)
NUMBERED = ",".join(map(str, range(10)))
PICTURE = tf.io.encode_png(np.arange(20 * 24 * 3).reshape(20, 24, 3).astype(np.uint8)).numpy()
NFC, NFD = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))


def folder_of(path, *names):
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(PICTURE)
    return path


def known(faces):
    return [bool(np.isfinite(faces.load(i)[1]).all()) for i in range(len(faces))]


# One name as other systems write it.
WRITTEN = {
    "as it is": lambda name: name,
    "composed": lambda name: unicodedata.normalize("NFC", name),
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "dot": lambda name: f"./{name}",
    "backslash": lambda name: name.replace("/", "\\"),
    "both": lambda name: ".\\" + name.replace("/", "\\"),
    "blanks": lambda name: f" {name} ",
    "twice": lambda name: name.replace("/", "//"),
}


@pytest.mark.parametrize("on_disk", [NFC, NFD])
@pytest.mark.parametrize("way", WRITTEN)
def test_a_name_is_found_whatever_way_it_is_written_in(tmp_path, on_disk, way):
    names = [f"{on_disk}/1.png", "Bob/1.png"]
    faces = FolderFaces(folder_of(tmp_path, *names))
    listed = [WRITTEN[way](f"{NFC}/1.png"), "Bob/1.png"]
    (tmp_path / "landmarks.csv").write_text(
        HEADER + "".join(f'\n"{name}",{NUMBERED}' for name in listed), encoding="utf-8"
    )
    faces = FolderFaces(tmp_path)
    assert known(faces) == [True, True]
    place = {faces.name(i): i for i in range(2)}
    assert find_images(listed, faces, "list").tolist() == [place[name] for name in names]
    (tmp_path / "pairs.txt").write_text(f"{listed[0]}\tBob/1\t0\n", encoding="utf-8")
    pairs = read_pairs(tmp_path / "pairs.txt", faces)
    assert pairs.images.tolist() == [[place[name] for name in names]]
    (tmp_path / "exclude.txt").write_text(f"{listed[0]}\ttwice\n", encoding="utf-8")
    assert [without(faces, tmp_path / "exclude.txt").name(0)] == ["Bob/1.png"]
    # The table knows all of them: none is looked at again, no row is added.
    before = (tmp_path / "landmarks.csv").read_bytes()
    counts = detect_landmarks(tmp_path, lambda images: pytest.fail("looked at"), progress=False)
    assert counts.found == 2
    add_landmarks(tmp_path / "landmarks.csv", {name: (None, None) for name in names})
    assert (tmp_path / "landmarks.csv").read_bytes() == before
    assert len(read_landmarks(tmp_path / "landmarks.csv")) == 2


def test_a_name_as_it_is_comes_first(tmp_path):
    """Where files differ only in what other systems leave out, each keeps its row."""
    names = ["a/b\\c.png", "a/1.png "]
    others = ["a/b/c.png", "a/1.png"]
    assert find_images(names, [*others, *names], "list").tolist() == [2, 3]
    assert find_images(names, others, "list").tolist() == [0, 1]
    assert find_images(["./a/1.png"], [*others, *names], "list").tolist() == [1]


@examples(60)
@given(st.text(min_size=1), st.sampled_from(["NFC", "NFD"]))
def test_both_forms_of_any_name_are_one(name, form):
    assert comparable(unicodedata.normalize(form, name)) == comparable(name)


def test_whole_paths_of_a_table_are_those_of_its_folder(tmp_path):
    folder_of(tmp_path, "A/1.png", "B/1.png")
    rows = "".join(f"\n{tmp_path}/{who}/1.png,{NUMBERED}" for who in "AB")
    (tmp_path / "landmarks.csv").write_text(HEADER + rows)
    assert known(FolderFaces(tmp_path)) == [True, True]


@pytest.mark.parametrize(
    "rows, message",
    [
        (["/elsewhere/A/1.png", "/elsewhere/B/1.png"], "none of its 2 rows fits .*IDENTITY/IMAGE"),
        (["A/1.jpg"], r"none of its 1 rows fits .*it is there as A/1.png, the extension differs"),
        (["a/1.PNG"], "it is there as A/1.png, the extension differs"),
        (["a/1.png"], "it is there as A/1.png, capitals differ"),
        (["1.png", "2.png"], "the first is of 1.png, the first image is A/1.png"),
    ],
)
def test_a_table_that_fits_nothing_is_an_error(tmp_path, rows, message):
    folder_of(tmp_path, "A/1.png", "B/1.png")
    (tmp_path / "landmarks.csv").write_text("\n".join([HEADER, *(f"{r},{NUMBERED}" for r in rows)]))
    with pytest.raises(ValueError, match=message) as error:
        FolderFaces(tmp_path)
    assert "\n" not in str(error.value)


def test_rows_that_fit_no_image_are_told(tmp_path, caplog):
    folder_of(tmp_path, "A/1.png", "B/1.png")
    rows = "".join(f"\n{name},{NUMBERED}" for name in ("A/1.png", "B/2.png", "C/1.png"))
    (tmp_path / "landmarks.csv").write_text(HEADER + rows)
    with caplog.at_level("WARNING", logger="absl"):
        assert known(FolderFaces(tmp_path)) == [True, False]
    assert "1 of 2 images have no row" in caplog.text
    assert "2 of its rows fit no image, the first is of B/2.png" in caplog.text


@pytest.mark.parametrize("wanted, there", [("A/1.JPG", "A/1.png"), ("B/x.jpeg", "B/x.jfif")])
@pytest.mark.parametrize("all_of_them", [True, False])
def test_another_extension_is_told(wanted, there, all_of_them):
    names = ["A/1.png", "B/x.jfif", "C/1.png"]
    with pytest.raises(MissingImages, match=f"there as {there}, the extension differs") as error:
        find_images([wanted] + ["C/1.png"] * (not all_of_them), names, "list")
    assert error.value.names == (wanted,)
    with pytest.raises(MissingImages, match="give the folder that the list belongs to"):
        find_images(["D/1.png"], names, "list")


def test_excluded_names_of_another_extension_are_told(tmp_path):
    faces = FolderFaces(folder_of(tmp_path, "A/1.png"))
    (tmp_path / "exclude.txt").write_text("A/1.jpg\n")
    with pytest.raises(ValueError, match="there as A/1.png, the extension differs"):
        without(faces, tmp_path / "exclude.txt")


def test_one_name_in_two_ways_of_unicode(tmp_path):
    """Two folders of one person would be two people, and a list could mean either."""
    folder_of(tmp_path, f"{NFC}/1.png", f"{NFD}/2.png")
    if len([*tmp_path.iterdir()]) == 1:
        pytest.skip("this file system has one name for both")
    with pytest.raises(ValueError, match="twice, written in two ways of Unicode"):
        FolderFaces(tmp_path)


def test_files_that_are_no_images_are_counted(tmp_path, caplog):
    folder_of(tmp_path, "A/1.jpg", "A/2.jfif", "B/1.JPE", "B/2.png", "B/3.HEIC", "A/4.heic", "A/x")
    with caplog.at_level("WARNING", logger="absl"):
        assert len(FolderFaces(tmp_path)) == 4
    assert "left out as no images by their names: 2 .heic, 1 without extension." in caplog.text
    for name in ("A/1.jpg", "A/2.jfif", "B/1.JPE", "B/2.png"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="No image in .*there are 2 .heic, 1 without extension"):
        FolderFaces(tmp_path)
