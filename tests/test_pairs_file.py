"""Lists of pairs in LFW's formats and by file names."""

import numpy as np
import pytest

from pipelines.batches.pairs_file import read_pairs


class Names:
    """The part of a source that lists of pairs need."""

    def __init__(self, *names):
        self._names = names

    def __len__(self):
        return len(self._names)

    def name(self, i):
        return self._names[i]


FACES = Names(
    "Ann_Lee/Ann_Lee_0001.jpg",
    "Ann_Lee/Ann_Lee_0002.jpg",
    "Ann_Lee/Ann_Lee_0013.png",
    "Bo/Bo_0001.jpg",
    "Çağ Öz/Çağ Öz_0001.jpg",
    "Çağ Öz/Çağ Öz_0002.jpg",
)
SAME = "Ann_Lee\t1\t13\nÇağ Öz\t2\t1\n"
DIFFERENT = "Ann_Lee\t2\tBo\t1\nBo\t1\tÇağ Öz\t1\n"
IMAGES = [[0, 2], [5, 4], [1, 3], [3, 4]]


def listed(tmp_path, text):
    path = tmp_path / "pairs.txt"
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize("header", ["", "2\n"])
def test_view_1(tmp_path, header):
    pairs = read_pairs(listed(tmp_path, header + SAME + DIFFERENT), FACES)
    np.testing.assert_array_equal(pairs.images, IMAGES)
    np.testing.assert_array_equal(pairs.same, [True, True, False, False])
    np.testing.assert_array_equal(pairs.fold, [0, 0, 0, 0])
    assert pairs.images.dtype == np.int64 and pairs.same.dtype == bool


def test_view_2(tmp_path):
    lines = SAME.splitlines() + DIFFERENT.splitlines()
    text = "\r\n".join(["2\t1", lines[0], lines[2], lines[1], lines[3], ""])
    pairs = read_pairs(listed(tmp_path, text), FACES)
    np.testing.assert_array_equal(pairs.images, [IMAGES[i] for i in (0, 2, 1, 3)])
    np.testing.assert_array_equal(pairs.same, [True, False, True, False])
    np.testing.assert_array_equal(pairs.fold, [0, 0, 1, 1])


def test_files(tmp_path):
    a, b, c = FACES.name(0), FACES.name(1), FACES.name(4)
    pairs = read_pairs(listed(tmp_path, f"{a}\t{b}\t1\n\n{a}\t{c}\t0\n"), FACES)
    np.testing.assert_array_equal(pairs.images, [[0, 1], [0, 4]])
    np.testing.assert_array_equal(pairs.same, [True, False])
    np.testing.assert_array_equal(pairs.fold, [0, 0])
    pairs = read_pairs(listed(tmp_path, f"\ufeff{a}\t{b}\t1\t3\n{a}\t{c}\t0\t4\n"), FACES)
    np.testing.assert_array_equal(pairs.fold, [3, 4])


def test_blanks_instead_of_tabs(tmp_path):
    pairs = read_pairs(listed(tmp_path, "Ann_Lee 1 2\nBo  1 Ann_Lee 2\n"), FACES)
    np.testing.assert_array_equal(pairs.images, [[0, 1], [3, 1]])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "lists no pair"),
        ("10\t300\n", "lists no pair"),
        ("\n" + SAME + "Ann_Lee\t1\n", "line 4: expected NAME, i, j"),
        ("Ann_Lee/Ann_Lee_0001.jpg\tBo/Bo_0001.jpg\t2\n", "line 1: expected"),
        ("2\t1\n" + SAME, "asks for 4 pairs, the list has 2"),
        ("2\t1\n" + SAME + DIFFERENT, "then 1 different ones"),
        ("Ann_Lee\t1\t3\nAnn_Lee\t4\tBo\t2\n", "3 images .* Ann_Lee/Ann_Lee_0003"),
        ("a/1.png\tb/1.png\t1\t0\na/1.png\tb/1.png\t0\n", "in some lines only"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_pairs(listed(tmp_path, text), FACES)
    assert "\n" not in str(error.value)


def test_missing_and_binary_lists(tmp_path):
    with pytest.raises(FileNotFoundError, match="No list of pairs"):
        read_pairs(tmp_path / "nowhere.txt", FACES)
    (tmp_path / "image.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_pairs(tmp_path / "image.txt", FACES)
