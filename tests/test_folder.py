"""Reading folders of faces, their landmarks, and finding bad images."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from properties import examples

from pipelines.faces.landmarks import NUMBERS
from pipelines.inspection.checking import check_images
from pipelines.sources.folder import FolderFaces
from pipelines.sources.subset import Subset, cap_images, split_identities

HEADER = "path,confidence," + ",".join(NUMBERS)


def picture(seed, height=20, width=24, channels=3):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, channels)).astype(np.uint8)


def write(path, image, encode=tf.io.encode_png):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(image).numpy())


def folder_of(path, counts):
    """A folder of pictures, counts[i] of identity i; picture k of all is picture(k)."""
    number = 0
    for identity, count in enumerate(counts):
        for image in range(count):
            write(path / f"person{identity}" / f"{image:03d}.png", picture(number))
            number += 1
    return path


def test_order_names_and_labels(tmp_path):
    for name in ("b b/2.png", "b b/10.png", "Ærø Çelik/ü 1.png", "a/x.PNG"):
        write(tmp_path / name, picture(0))
    write(tmp_path / "a/.hidden.png", picture(0))
    write(tmp_path / ".git/x.png", picture(0))
    (tmp_path / "empty").mkdir()
    (tmp_path / "a/notes.txt").write_text("no image")
    (tmp_path / "loose.png").write_bytes(b"not in an identity's folder")

    faces = FolderFaces(tmp_path)
    assert faces.identities == ["a", "b b", "Ærø Çelik"]
    names = [faces.name(i) for i in range(len(faces))]
    assert names == ["a/x.PNG", "b b/10.png", "b b/2.png", "Ærø Çelik/ü 1.png"]
    np.testing.assert_array_equal(faces.labels, [0, 1, 1, 2])
    assert faces.labels.dtype == np.int32
    image, landmarks = faces.load(3)
    np.testing.assert_array_equal(image, picture(0))
    assert np.isnan(landmarks).all() and landmarks.shape == (5, 2)


def test_formats(tmp_path):
    grey = picture(0, channels=1)
    write(tmp_path / "a/grey.png", grey)
    write(tmp_path / "a/alpha.png", picture(1, channels=4))
    write(tmp_path / "a/grey.jpeg", np.full((20, 24, 1), 90, np.uint8), tf.io.encode_jpeg)
    write(tmp_path / "a/wrong_name.jpg", picture(2))  # a PNG
    faces = FolderFaces(tmp_path)
    images = {faces.name(i)[2:]: faces.load(i)[0].numpy() for i in range(4)}
    assert all(image.shape == (20, 24, 3) for image in images.values())
    np.testing.assert_array_equal(images["grey.png"], np.repeat(grey, 3, 2))
    colours, opacity = np.split(picture(1, channels=4).astype(int), [3], -1)
    white = (colours * opacity + 255 * (255 - opacity) + 127) // 255
    np.testing.assert_array_equal(images["alpha.png"], white)
    np.testing.assert_array_equal(images["grey.jpeg"], 90)
    np.testing.assert_array_equal(images["wrong_name.jpg"], picture(2))


def test_first_frame_of_a_gif(tmp_path):
    # 1 x 1 pixel, two frames: white, black.
    frame = b",\0\0\0\0\1\0\1\0\0\2\2%s\1\0"
    gif = b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0" + frame % b"\x44" + frame % b"\x4c" + b";"
    (tmp_path / "a").mkdir()
    (tmp_path / "a/moving.gif").write_bytes(gif)
    image, _ = FolderFaces(tmp_path).load(0)
    np.testing.assert_array_equal(image, np.full((1, 1, 3), 255))


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="No folder .*nowhere"):
        FolderFaces(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="No image in"):
        FolderFaces(tmp_path)


def test_landmarks_by_name_of_their_columns(tmp_path):
    folder_of(tmp_path, [3, 1])
    columns = ["nose_y", "unused", "path", *HEADER.replace("nose_y", "other").split(",")[2:]]
    rows = [["6", "?", "person0/001.png", *map(str, range(10))]]
    rows += [["", "", "person1/000.png", *[""] * 10]]
    lines = [",".join(columns), *map(",".join, rows), "", "elsewhere.png" + "," * 12]
    lines[-1] = "1,,elsewhere.png,1,2,3,4,5,6,7,8,9,10"
    (tmp_path / "landmarks.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")

    faces = FolderFaces(tmp_path)
    found = [faces.load(i)[1].numpy() for i in range(4)]
    np.testing.assert_array_equal(found[1], [[0, 1], [2, 3], [4, 6], [6, 7], [8, 9]])
    assert np.isnan([found[0], found[2], found[3]]).all()
    assert np.isnan(FolderFaces(tmp_path, landmarks=None).load(1)[1]).all()


def test_landmarks_missing_for_some_are_logged(tmp_path, caplog):
    folder_of(tmp_path, [3])
    row = "person0/001.png,1,1,2,3,4,5,6,7,8,9,10"
    (tmp_path / "landmarks.csv").write_text(f"{HEADER}\n{row}\n")
    with caplog.at_level("WARNING", logger="absl"):
        FolderFaces(tmp_path)
    assert "2 of 3 images" in caplog.text


@pytest.mark.parametrize(
    "text, message",
    [
        ("path,confidence\n", "line 1: no column 'left_eye_x'"),
        ("", "line 1: no column 'path'"),
        (f"{HEADER}\na.png,1,2,3\n", "line 2: the row has only 4 fields"),
        (f"{HEADER}\n\na.png,1,1,2,3,4,5,six,7,8,9,10\n", "line 3: ten numbers expected"),
        (f"{HEADER}\na.png,1,1,2,3,4,5,,7,8,9,10\n", "line 2: ten numbers expected"),
    ],
)
def test_malformed_landmarks(tmp_path, text, message):
    folder_of(tmp_path, [1])
    (tmp_path / "landmarks.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        FolderFaces(tmp_path)
    assert "\n" not in str(error.value)


def test_landmarks_asked_for_must_be_there(tmp_path):
    folder_of(tmp_path, [1])
    with pytest.raises(FileNotFoundError, match="other.csv"):
        FolderFaces(tmp_path, landmarks="other.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"\n\xe9.png,,,,,,,,,,,\n")
    with pytest.raises(ValueError, match="not UTF-8"):
        FolderFaces(tmp_path, landmarks="latin.csv")


def test_subset(tmp_path):
    faces = FolderFaces(folder_of(tmp_path, [2, 1, 3]))
    subset = Subset(faces, [5, 1, 3])
    assert subset.identities == ["person0", "person2"]
    np.testing.assert_array_equal(subset.labels, [0, 1, 1])
    assert [subset.name(i) for i in range(3)] == [faces.name(i) for i in (1, 3, 5)]
    np.testing.assert_array_equal(subset.load(2)[0], picture(5))
    again = Subset(subset, [2])
    assert again.identities == ["person2"] and again.labels.tolist() == [0]
    np.testing.assert_array_equal(again.load(0)[0], picture(5))


@pytest.mark.parametrize("held_out, count", [(0.25, 2), (3, 3), (3.0, 3), (0.01, 2), (0.75, 6)])
def test_split_by_identity(tmp_path, held_out, count):
    faces = FolderFaces(folder_of(tmp_path, [2, 1, 3, 1, 2, 2, 1, 1]))
    training, held = split_identities(faces, held_out, seed=3)
    assert len(held.identities) == count
    assert sorted(training.identities + held.identities) == faces.identities
    names = [part.name(i) for part in (training, held) for i in range(len(part))]
    assert sorted(names) == [faces.name(i) for i in range(len(faces))]
    same, _ = split_identities(faces, held_out, seed=3)
    assert same.identities == training.identities
    splits = [split_identities(faces, held_out, seed)[1].identities for seed in range(8)]
    assert any(split != splits[0] for split in splits)


@pytest.mark.parametrize("held_out", [0, -0.5, 1, 7, 8, 0.99, 2.5])
def test_impossible_splits(tmp_path, held_out):
    faces = FolderFaces(folder_of(tmp_path, [1] * 8))
    with pytest.raises(ValueError, match="held_out"):
        split_identities(faces, held_out, seed=0)


def test_one_identity_cannot_be_split(tmp_path):
    with pytest.raises(ValueError, match="one identity only"):
        split_identities(FolderFaces(folder_of(tmp_path, [4])), 0.5, seed=0)


def test_bad_images_are_skipped_and_named(tmp_path, caplog):
    folder = folder_of(tmp_path / "faces", [100, 100, 1])
    jpeg = tf.io.encode_jpeg(picture(0, 64, 64)).numpy()
    (folder / "person0/007.png").write_bytes(b"")
    (folder / "person1/truncated ñ.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    write(folder / "person2/000.png", picture(0, 15, 40))
    (folder / "person3").mkdir()
    (folder / "person3/text.png").write_text("This is no image.")
    faces = FolderFaces(folder)

    with caplog.at_level("WARNING", logger="absl"):
        checked = check_images(faces, tmp_path / "bad_images.txt", limit=0.02, progress=False)
    assert len(checked) == len(faces) - 4
    assert checked.identities == ["person0", "person1"]
    lines = (tmp_path / "bad_images.txt").read_text(encoding="utf-8").splitlines()
    bad = dict(line.split("\t") for line in lines)
    names = "person0/007.png", "person1/truncated ñ.jpg", "person2/000.png", "person3/text.png"
    assert tuple(bad) == names
    assert bad["person2/000.png"] == "too small: 40x15 pixels, at least 16x16 are needed"
    assert all(bad.values()) and "{{" not in "".join(bad.values())
    assert all(name in caplog.text for name in bad)
    for i in range(len(checked)):
        checked.load(i)


def test_more_than_one_percent_bad_stops(tmp_path):
    folder = folder_of(tmp_path / "faces", [99])
    (folder / "person0/050.png").write_bytes(b"")
    faces = FolderFaces(folder)
    with pytest.raises(ValueError, match="1 of 99 images .* person0/050.png") as error:
        check_images(faces, tmp_path / "bad.txt", progress=False)
    assert "\n" not in str(error.value)
    assert (tmp_path / "bad.txt").read_text().startswith("person0/050.png\t")

    write(folder / "person0/100.png", picture(100))
    assert len(check_images(FolderFaces(folder), tmp_path / "bad.txt", progress=False)) == 99


def test_good_images_are_left_as_they_are(tmp_path):
    faces = FolderFaces(folder_of(tmp_path / "faces", [3]))
    assert check_images(faces, tmp_path / "bad.txt", progress=False) is faces
    assert (tmp_path / "bad.txt").read_text() == ""


def landmarks_of(*rows):
    """A landmarks.csv; a row is a path and its ten numbers."""
    return "\n".join([HEADER, *(f"{path},1,{numbers}" for path, numbers in rows)])


def test_nominal_landmarks_stand_in_for_missing_ones(tmp_path, caplog):
    folder_of(tmp_path, [3])
    known = np.arange(10).reshape(5, 2)
    nominal = known + 0.5
    with caplog.at_level("INFO", logger="absl"):
        faces = FolderFaces(tmp_path, nominal=nominal)
    assert "given nominal landmarks" in caplog.text
    np.testing.assert_array_equal([faces.load(i)[1] for i in range(3)], [nominal] * 3)

    rows = ("person0/001.png", "0,1,2,3,4,5,6,7,8,9"), ("person0/002.png", "," * 9)
    (tmp_path / "landmarks.csv").write_text(landmarks_of(*rows))
    faces = FolderFaces(tmp_path, nominal=nominal)
    found = [faces.load(i)[1] for i in range(3)]
    np.testing.assert_array_equal(found, [nominal, known, nominal])


def test_names_that_are_not_utf8(tmp_path):
    folder_of(tmp_path, [1])
    try:
        (tmp_path / "person0/\udce9.png").write_bytes(b"")
    except (OSError, UnicodeError):
        pytest.skip("this file system has none")
    with pytest.raises(ValueError, match="not UTF-8"):
        FolderFaces(tmp_path)


@pytest.mark.parametrize(
    "point, reason",
    [
        # The picture has 24 x 20 pixels: half of that outside is still legal.
        ("-11.9,-9.9", ""),
        ("34.9,28.9", ""),
        ("-12.5,3", "a landmark at (-12.5, 3), far outside its 24x20 pixels"),
        ("36,3", "a landmark at (36, 3), far outside its 24x20 pixels"),
        ("5,-10.5", "a landmark at (5, -10.5), far outside its 24x20 pixels"),
        ("5,400", "a landmark at (5, 400), far outside its 24x20 pixels"),
        ("inf,3", "a landmark at (inf, 3), far outside its 24x20 pixels"),
        ("nan,300", ""),  # not known
    ],
)
def test_landmarks_far_outside_their_image(tmp_path, point, reason):
    folder = folder_of(tmp_path / "faces", [1, 1])
    row = ("person1/000.png", f"9,8,15,8,12,11,{point},14,15")
    (folder / "landmarks.csv").write_text(landmarks_of(row))
    checked = check_images(FolderFaces(folder), tmp_path / "bad.txt", limit=1, progress=False)
    bad = (tmp_path / "bad.txt").read_text()
    assert bad == (f"person1/000.png\t{reason}\n" if reason else "")
    assert len(checked) == (1 if reason else 2)


class Album:
    """Photographs in memory; image i shows photograph photographs[i] of identity labels[i]."""

    def __init__(self, labels, photographs):
        self.labels = np.array(labels, np.int32)
        self.identities = [f"person{i}" for i in range(max(labels) + 1)]
        self.photographs = photographs
        self._photographs = tf.constant(photographs)

    def __len__(self):
        return len(self.labels)

    def name(self, i):
        return f"person{self.labels[i]}/{i}.png"

    def load(self, index):
        number = tf.gather(self._photographs, index)
        # 0 and 1 have the same bytes in other shapes; 2 and 3 differ in one byte.
        colour = tf.gather([1, 1, 2, 2, 4, 5, 6, 7], number)
        changed = tf.cast((tf.range(16 * 32 * 3) == 100) & (number == 3), tf.int32)
        shape = tf.where(number == 1, (32, 16, 3), (16, 32, 3))
        return tf.cast(tf.reshape(colour + changed, shape), tf.uint8), tf.fill((5, 2), np.nan)


@examples(8)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=12))
def test_no_photograph_is_left_twice(tmp_path_factory, images):
    images.sort(key=lambda image: image[0])
    labels, photographs = zip(*[(0, 6), *images])
    album = Album(np.unique(labels, return_inverse=True)[1].tolist(), photographs)
    bad = tmp_path_factory.mktemp("album") / "bad.txt"
    checked = check_images(album, bad, progress=False)

    owners = {p: {a for a, b in zip(labels, photographs) if b == p} for p in photographs}
    kept = [i for i in range(len(album)) if album.name(i) in map(checked.name, range(len(checked)))]
    first = {p: photographs.index(p) for p in photographs if len(owners[p]) == 1}
    assert kept == sorted(first.values())
    reasons = dict(line.split("\t") for line in bad.read_text().splitlines())
    assert len(reasons) == len(album) - len(kept)
    for i in set(range(len(album))) - set(kept):
        reason = reasons[album.name(i)]
        named = next(j for j in range(len(album)) if reason.split()[4].strip(",") == album.name(j))
        assert photographs[named] == photographs[i] and named != i
        assert (album.labels[named] != album.labels[i]) == ("of another identity" in reason)


def test_copies_do_not_count_as_bad(tmp_path, caplog):
    album = Album([0] * 6 + [1] * 6, [0, 1, 2, 3, 2, 4] + [4, 5, 5, 5, 6, 7])
    with caplog.at_level("WARNING", logger="absl"):
        checked = check_images(album, tmp_path / "bad.txt", limit=0, progress=False)
    assert "Left out 5 of 12 images as copies" in caplog.text
    assert (tmp_path / "bad.txt").read_text().splitlines() == [
        "person0/4.png\tthe same photograph as person0/2.png",
        "person0/5.png\tthe same photograph as person1/6.png, of another identity",
        "person1/6.png\tthe same photograph as person0/5.png, of another identity",
        "person1/8.png\tthe same photograph as person1/7.png",
        "person1/9.png\tthe same photograph as person1/7.png",
    ]
    kept = [checked.name(i).split("/")[1] for i in range(len(checked))]
    assert kept == [f"{i}.png" for i in (0, 1, 2, 3, 7, 10, 11)]
    assert check_images(album, tmp_path / "bad.txt", copies=True, progress=False) is album
    assert (tmp_path / "bad.txt").read_text() == ""


def test_an_album_of_copies_only(tmp_path):
    with pytest.raises(ValueError, match="Every image is a copy"):
        check_images(Album([0, 1], [2, 2]), tmp_path / "bad.txt", progress=False)


def test_excluded_images_are_not_even_read(tmp_path):
    folder = folder_of(tmp_path / "faces", [2, 2])
    (folder / "person0/a name ñ.png").write_bytes(b"broken")
    lines = ["\ufeffperson0/a name ñ.png\tthe reason", "", "person1/000.png", "person1/000.png"]
    (tmp_path / "exclude.txt").write_bytes("\r\n".join(lines).encode())
    checked = check_images(
        FolderFaces(folder),
        tmp_path / "bad.txt",
        exclude=tmp_path / "exclude.txt",
        limit=0,
        progress=False,
    )
    names = [checked.name(i) for i in range(len(checked))]
    assert names == ["person0/000.png", "person0/001.png", "person1/001.png"]
    assert (tmp_path / "bad.txt").read_text() == ""


@pytest.mark.parametrize(
    "text, message",
    [
        (b"person0/9.png\nperson0/8.png\n", "no image that is there, the first is person0/8.png"),
        (b"person0/000.png\nperson0/001.png\n", "leaves out every image"),
        (b"\xff\xd8\xff", "not UTF-8"),
    ],
)
def test_bad_lists_of_excluded_images(tmp_path, text, message):
    faces = FolderFaces(folder_of(tmp_path / "faces", [2]))
    (tmp_path / "exclude.txt").write_bytes(text)
    with pytest.raises(ValueError, match=message) as error:
        check_images(faces, tmp_path / "bad.txt", exclude=tmp_path / "exclude.txt")
    assert "\n" not in str(error.value)


def test_excluded_images_that_are_left_out_already(tmp_path, caplog):
    faces = FolderFaces(folder_of(tmp_path / "faces", [2, 2]))
    (tmp_path / "exclude.txt").write_text("person0/000.png\nperson0/9.png\n")
    checked = check_images(faces, tmp_path / "bad.txt", exclude=tmp_path / "exclude.txt")
    assert len(checked) == 3
    assert "1 names" in caplog.text and "person0/9.png" in caplog.text


def test_a_missing_list_of_excluded_images(tmp_path):
    faces = FolderFaces(folder_of(tmp_path / "faces", [2]))
    with pytest.raises(FileNotFoundError, match="No list of images to leave out .*nowhere.txt"):
        check_images(faces, tmp_path / "bad.txt", exclude=tmp_path / "nowhere.txt")


def test_a_cap_on_images_of_an_identity(tmp_path):
    faces = FolderFaces(folder_of(tmp_path, [1, 9, 4, 5]))
    assert cap_images(faces, 0, seed=0) is faces
    assert cap_images(faces, 9, seed=0) is faces
    capped = cap_images(faces, 4, seed=0)
    assert np.bincount(capped.labels).tolist() == [1, 4, 4, 4]
    assert set(range(14)) - set(capped.indices) < set(range(1, 10)) | set(range(14, 19))
    np.testing.assert_array_equal(cap_images(faces, 4, seed=0).indices, capped.indices)
    others = {tuple(cap_images(faces, 4, seed=seed).indices) for seed in range(10)}
    assert len(others) > 5
    # Every image of an identity has its chance.
    assert {i for indices in others for i in indices} >= set(range(1, 10))
