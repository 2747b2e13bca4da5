"""Names that two sets of faces have in common."""

import pytest

from pipelines.inspection.overlap import files_in_common, names_in_common, normalized


@pytest.mark.parametrize(
    "name, expected",
    [
        ("Aaron_Eckhart", "aaron eckhart"),
        ("aaron-eckhart ", "aaron eckhart"),
        ("AARON  Eckhart", "aaron eckhart"),
        ("Beyoncé", "beyonce"),
        ("Beyonce\u0301", "beyonce"),
        ("Çağ Öz", "cag oz"),
        ("Tatum O'Neal", "tatum oneal"),
        ("Tatum_ONeal", "tatum oneal"),
        ("J.K._Rowling", "j k rowling"),
        ("n000012", "n000012"),
        ("___", ""),
        ("李娜", "李娜"),
    ],
)
def test_normalized(name, expected):
    assert normalized(name) == expected


def test_names_but_for_writing():
    found = names_in_common(
        ["Ann_Lee", "Bo", "Jean-Paul Öz", "___"], ["jean_paul_oz", "ann lee", "Bob", "--"]
    )
    assert found.same == [("Ann_Lee", "ann lee"), ("Jean-Paul Öz", "jean_paul_oz")]
    assert found.but_prefix == found.numbered == []


def test_the_name_of_a_data_set_before_the_persons():
    pins = ["pins_Ann Lee", "pins_Bo Öz", "pins_Cher"]
    lfw = ["Cher", "Bo_Oz", "Someone_Else"]
    pairs = [("pins_Bo Öz", "Bo_Oz"), ("pins_Cher", "Cher")]
    assert names_in_common(pins, lfw).but_prefix == pairs
    assert names_in_common(lfw, pins).but_prefix == [(b, a) for a, b in reversed(pairs)]
    other = ["lfw_Ann_Lee", "lfw_X", "lfw_Y"]
    assert names_in_common(pins, other).but_prefix == [("pins_Ann Lee", "lfw_Ann_Lee")]
    # Of two sets that have the same prefix, nothing is met twice.
    found = names_in_common(pins, pins)
    assert found.same == [(name, name) for name in pins] and found.but_prefix == []


def test_forenames_are_no_prefix():
    assert names_in_common(["Mary Ann Lee", "Mary Öz"], ["Ann Lee"]).but_prefix == []
    annas = ["Anna Lee", "Anna Smith", "Anna Jones"]
    johns = ["John Lee", "John Smith", "John Jones"]
    assert names_in_common(annas, johns) == ([], [], [])


def test_numbers_tell_nothing():
    celeba = ["celeba_0001", "celeba_0002", "celeba_0003"]
    assert names_in_common(celeba, ["0001", "0002"]) == ([], [], [])
    assert names_in_common(["n01", "n02"], ["N01", "n3"]).numbered == [("n01", "N01")]


def test_files_that_tell():
    ours = [
        "a/0001.jpg", "a/face_crop_1.jpg", "a/4589732145_o.JPG", "a/00000012.png",
        "b/face_crop_2.jpg", "b/Ann_Lee_0001.jpg", "b/Ann_Lee_0002.jpg", "b/img_7.jpg",
        "b/31415926.jpg", "c/31415926.jpg",
    ]
    theirs = [
        "x/0001.jpg", "x/face_crop_1.jpg", "x/4589732145_o.png", "x/00000012.png",
        "Ann_Lee/ann_lee_0002.png", "Bo/img_7.jpg", "Bo/31415926.jpg",
    ]
    assert files_in_common(ours, theirs) == [(2, 2), (6, 4)]
