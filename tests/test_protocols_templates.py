"""Videos and templates: YouTube Faces and IJB-A in their published layouts, from rendered faces."""

import dataclasses
import json
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from published import COLUMNS, SPLITS, ijba_set, pictures, video_frames

from pipelines.sources.boxed_faces import BoxedFace, BoxedFaces
from pipelines.sources.folder import FolderFaces
from sparseface_tf.embedding.embeddings import Faces
from sparseface_tf.evaluation import ijba, ytf
from sparseface_tf.evaluation.pairs import evaluate_pairs


class Cosine:
    def score_pairs(self, a, b):
        return np.einsum("nd,nd->n", _unit(a), _unit(b))

    def score_matrix(self, a, b):
        return _unit(a) @ _unit(b).T


def _unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pixels(source, images):
    """A poor man's features: the pixels of the images in 8 x 8, float32."""
    faces = [tf.image.resize(source.load(i)[0], (8, 8), "area") for i in images]
    return np.stack(faces).reshape(len(images), -1) - np.float32(100)


@pytest.fixture(scope="module")
def rendered():
    """Pictures of 6 people, uint8 (6, 4, size, size, 3)."""
    return pictures(6, 4)


def test_video_frames(tmp_path, rendered):
    video_frames(tmp_path / "frames", rendered)
    (tmp_path / "frames" / "Person_0" / "notes.txt").write_text("no video")
    (tmp_path / "splits.txt").write_text(SPLITS)
    source = FolderFaces(tmp_path / "frames", videos=True)
    assert len(source) == 24 and source.identities == [f"Person_{i}" for i in range(6)]
    assert source.name(1) == "Person_0/2/2.10.jpg" and source.labels[:5].tolist() == [0, 0, 0, 0, 1]

    test = ytf.read_splits(tmp_path / "splits.txt", source)
    assert test.videos[:2] == ("Person_0/0", "Person_0/2") and len(test.videos) == 9
    np.testing.assert_array_equal(np.diff(test.starts)[:3], [1, 3, 3])
    np.testing.assert_array_equal(test.fold, [1, 1, 1, 1, 2, 2])
    np.testing.assert_array_equal(test.same, [1, 1, 0, 0, 1, 0])
    features = pixels(source, test.images)
    scores = ytf.score_videos(features, test, Cosine())

    def frames(video):
        rows = [k for k, i in enumerate(test.images) if f"{video}/" in source.name(i)]
        return _unit(features)[rows]

    for line, score in zip(SPLITS.split("\n"), scores):
        first, second = (frames(name) for name in line.split(", ")[2:4])
        expected = np.mean([x @ y for x in first for y in second])
        assert score == pytest.approx(expected, abs=1e-5)
    result = evaluate_pairs(scores, test)
    assert len(result.accuracy.values) == 2 and result.pairs == 6
    json.dumps(dataclasses.asdict(result), allow_nan=False)


VIDEOS = [f"Person_{i}/{v}/{f}.jpg" for i in range(6) for v in (0, 2) for f in range(2)]


def splits(tmp_path, text):
    (tmp_path / "splits.txt").write_text(text)
    return tmp_path / "splits.txt"


def test_headings_and_missing_videos(tmp_path):
    path = splits(tmp_path, f"split number, pair number, first, second, is same\r\n{SPLITS}\r\n")
    assert len(ytf.read_splits(path, VIDEOS).pairs) == 6
    here = [name for name in VIDEOS if not name.startswith("Person_2/2")]
    with pytest.raises(ValueError, match="1 of 9 videos .* the first is Person_2/2"):
        ytf.read_splits(path, here)
    test = ytf.read_splits(path, here, allow_missing=True)
    assert (len(test.missing), test.left_out, len(test.pairs)) == (1, 1, 5)
    here = [name for name in here if not name.startswith("Person_5")]
    with pytest.raises(ValueError, match="fold 2 has no different pair"):
        ytf.read_splits(path, here, allow_missing=True)
    with pytest.raises(ValueError, match="9 of 9 videos"):
        ytf.read_splits(path, ["X/1/1.jpg"], allow_missing=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "lists no pair"),
        (SPLITS + "\n3, 1, Person_0/0, Person_0/2", "line 7: expected split, number"),
        (SPLITS + "\n3, 1, Person_0, Person_0/2, 1", "line 7: expected"),
        (SPLITS + "\n3, 1, Person_0/0, Person_0/2, 2", "line 7: expected"),
        (SPLITS + "\n\n3, 1, Person_0/0, Person_0/2, 0", "line 8: .* as different people, their"),
        ("1, 1, Person_0/0, Person_1/0, 1", "line 1: .* as the same people"),
    ],
)
def test_bad_splits(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        ytf.read_splits(splits(tmp_path, text), VIDEOS)


@pytest.fixture
def published(tmp_path, rendered):
    ijba_set(tmp_path, rendered)
    return tmp_path


def template_features(source, images, features):
    """By hand: features of the photograph and of the mean of it and the mean of three frames."""
    row = {source.name(i).split("@")[0]: k for k, i in enumerate(images)}
    photographs = [features[row[f"{100 + p}/img/{p}.png"]] for p in range(6)]
    videos = []
    for p in range(6):
        frames = [features[row[f"{100 + p}/frame/{p}_{k:05d}.png"]] for k in range(1, 4)]
        videos.append((photographs[p] + np.mean(frames, axis=0)) / 2)
    return np.array(photographs), np.array(videos)


def test_verification_of_templates(published):
    faces = ijba.read_faces(published / "11", splits=(1, 2))
    source = BoxedFaces(published / "images", faces)
    assert len(source) == 24 and source.identities == [str(100 + p) for p in range(6)]
    test = ijba.read_verification(published / "11", source, splits=(1, 2))
    features = pixels(source, test.images)
    photographs, videos = template_features(source, test.images, features)
    for templates, pairs, same in test.splits:
        pooled = ijba.pool(features, templates)
        np.testing.assert_array_equal(templates.ids[::2], np.arange(6) * 10 + 1)
        np.testing.assert_allclose(pooled[::2], photographs, rtol=1e-5)
        np.testing.assert_allclose(pooled[1::2], videos, rtol=1e-4, atol=1e-3)
        assert len(pairs) == 36 and same.sum() == 6
    np.testing.assert_array_equal(test.splits[1].pairs, test.splits[0].pairs[::-1])

    result = ijba.evaluate_verification(
        features, test, Cosine(), fars=(0.1, 0.01), fusion="features"
    )
    scores = _unit(photographs) @ _unit(videos).T
    genuine, impostor = np.diag(scores), scores[~np.eye(6, dtype=bool)]
    for number, allowed in enumerate((3, 0)):  # of 30 impostors
        expected = np.mean(genuine > np.sort(impostor)[-1 - allowed])
        np.testing.assert_allclose(result.tar_at_far[number].rate.values, [expected] * 2)
    assert result.comparisons == 72 and result.missing == () and result.left_out == 0
    json.dumps(dataclasses.asdict(result), allow_nan=False)


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_search_of_templates(published, seed):
    source = BoxedFaces(published / "images", ijba.read_faces(published / "1N", splits=(1, 2)))
    test = ijba.read_search(published / "1N", source, splits=(1, 2))
    features = pixels(source, test.images)
    if seed is not None:  # features that find people late
        features = np.random.default_rng(seed).normal(size=features.shape[:1] + (6,))
    # The photographs of 104 and 105 belong to the probes' templates.
    photographs, videos = template_features(source, test.images, features)
    result = ijba.evaluate_search(features, test, Cosine(), fpirs=(0.5, 0.1), fusion="features")
    scores = _unit(videos) @ _unit(photographs[:4]).T
    own, alarms = np.diag(scores[:4]), np.sort(scores[4:].max(1))
    rank = (scores[:4] >= own[:, None]).sum(1)
    np.testing.assert_allclose(result.rank_1.values, [np.mean(rank == 1)] * 2)
    assert result.rank_5.mean == 1 and len(result.cmc) == 20
    np.testing.assert_allclose(result.tpir_at_fpir[0].rate.values, [np.mean(own > alarms[0])] * 2)
    np.testing.assert_allclose(result.tpir_at_fpir[1].rate.values, [np.mean(own > alarms[1])] * 2)
    json.dumps(dataclasses.asdict(result), allow_nan=False)


def sets_of(templates, features):
    """The features of each template's faces, as a loop finds them."""
    return [
        [
            features[row]
            for row, medium in zip(templates.rows, templates.media)
            if templates.media_template[medium] == i
        ]
        for i in range(len(templates.ids))
    ]


def mean_of_pairs(one, other):
    """The mean cosine of all pairs of a face of one template and one of another, by a loop."""
    return np.mean([(_unit(a[None]) @ _unit(b[None]).T).item() for a in one for b in other])


@pytest.mark.parametrize("seed", [0, 1])
def test_templates_by_the_scores_of_all_pairs_of_faces(published, seed):
    random = np.random.default_rng(seed)
    source = BoxedFaces(published / "images", ijba.read_faces(published / "11", splits=(1, 2)))
    test = ijba.read_verification(published / "11", source, splits=(1, 2))
    features = random.normal(size=(len(test.images), 5))
    result = ijba.evaluate_verification(features, test, Cosine(), fars=(0.1,))
    rates = []
    for templates, pairs, same in test.splits:
        sets = sets_of(templates, features)
        scores = np.array([mean_of_pairs(sets[a], sets[b]) for a, b in pairs])
        rates.append(np.mean(scores[same] > np.sort(scores[~same])[-1 - 3]))  # of 30 impostors
    np.testing.assert_allclose(result.tar_at_far[0].rate.values, rates)
    assert "all pairs of a face" in result.how

    source = BoxedFaces(published / "images", ijba.read_faces(published / "1N", splits=(1, 2)))
    test = ijba.read_search(published / "1N", source, splits=(1, 2))
    features = random.normal(size=(len(test.images), 5))
    result = ijba.evaluate_search(features, test, Cosine(), fpirs=(0.5,))
    ranks = []
    for gallery, probes in test.splits:
        sets = [sets_of(templates, features) for templates in (gallery, probes)]
        scores = np.array([[mean_of_pairs(a, b) for b in sets[0]] for a in sets[1]])
        own = np.array([scores[i, list(gallery.subjects).index(s)] if s in gallery.subjects else np.nan
                        for i, s in enumerate(probes.subjects)])  # fmt: skip
        ranks.append((scores >= own[:, None]).sum(1)[~np.isnan(own)])
    np.testing.assert_allclose(result.rank_1.values, [np.mean(rank == 1) for rank in ranks])
    np.testing.assert_allclose(result.cmc[1], np.mean([np.mean(rank <= 2) for rank in ranks]))


def test_tables_in_one_folder_and_missing_files(published):
    for split in (1, 2):
        for name in ("verify_metadata", "verify_comparisons"):
            table = published / "11" / f"split{split}" / f"{name}_{split}.csv"
            table.rename(published / "11" / table.name)
    faces = ijba.read_faces(published / "11", splits=(1, 2))
    (published / "images" / "img" / "3.png").unlink()
    with pytest.raises(ValueError, match="1 of 24 files are not in .* the first is img/3.png"):
        BoxedFaces(published / "images", faces)
    source = BoxedFaces(published / "images", faces, allow_missing=True)
    assert source.missing == 1 and len(source) == 23
    with pytest.raises(ValueError, match="1 images of .* the first is 103/img/3.png@20,10,32,32"):
        ijba.read_verification(published / "11", source, splits=(1, 2))
    test = ijba.read_verification(published / "11", source, splits=(1, 2), allow_missing=True)
    # Template 31 is gone; 32 still has its video.
    assert len(test.missing) == 1 and test.left_out == 12
    assert 31 not in test.splits[0].templates.ids and 32 in test.splits[0].templates.ids
    assert all(len(split.pairs) == 30 for split in test.splits)
    assert np.isfinite(ijba.pool(pixels(source, test.images), test.splits[0].templates)).all()


def test_missing_tables(published):
    with pytest.raises(FileNotFoundError, match="No table of IJB-A .*verify_metadata_3.csv"):
        ijba.read_verification(published / "11", [], splits=(3,))
    with pytest.raises(FileNotFoundError, match="No verify_metadata_N.csv nor search_gallery_N"):
        ijba.read_faces(published, splits=(1,))


@pytest.mark.parametrize(
    "table, change, message",
    [
        ("metadata", lambda t: t.replace("MEDIA_ID", "MEDIA"), "lacks the columns MEDIA_ID"),
        ("metadata", lambda t: t.replace("31,103", "31,x", 1), "line 2: expected whole numbers"),
        ("metadata", lambda t: t.replace(",20,10,32", ",20,10,0", 1), "line 2: expected whole"),
        ("metadata", lambda t: t + "31,103\n", "line 32: expected whole numbers"),
        ("metadata", lambda t: t + "31" + t.splitlines()[6][2:], "line 32: template 31 is of subj"),
        ("metadata", lambda t: COLUMNS, "lists no face"),
        ("comparisons", lambda t: t + "1;2\n", "line 37: expected the ids of two templates"),
        ("comparisons", lambda t: t + "1,99\n", "line 37: no template 99 in the metadata"),
        ("comparisons", lambda t: "", "lists no comparison"),
        ("comparisons", lambda t: "1,2\n", "no different pair"),
    ],
)
def test_bad_tables(published, table, change, message):
    path = published / "11" / "split1" / f"verify_{table}_1.csv"
    source = [face.name for face in ijba.read_faces(published / "11", splits=(1,))]
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(ValueError, match=message):
        ijba.read_verification(published / "11", source, splits=(1,))


def test_boxes_at_the_border(tmp_path):
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(image).numpy())
    boxes = [(4, 5, 8, 10), (-3, -2, 6, 6), (26, 16, 8, 8)]
    source = BoxedFaces(tmp_path, [BoxedFace("1", "a.png", box) for box in boxes], margin=0)
    padded = np.zeros((220, 230, 3), np.uint8)
    padded[100:120, 100:130] = image
    cut = {source.name(i).split("@")[1]: source.load(i)[0].numpy() for i in range(3)}
    # The side is the longer one, about the middle of the box.
    np.testing.assert_array_equal(cut["4,5,8,10"], padded[105:115, 103:113])
    np.testing.assert_array_equal(cut["-3,-2,6,6"], padded[98:104, 97:103])
    np.testing.assert_array_equal(cut["26,16,8,8"], padded[116:124, 126:134])
    wide = BoxedFaces(tmp_path, [BoxedFace("1", "a.png", (6, 6, 8, 8))], margin=0.25)
    np.testing.assert_array_equal(wide.load(0)[0], image[4:16, 4:16])
    batch = next(iter(tf.data.Dataset.range(1).map(wide.load)))
    assert batch[0].shape == (12, 12, 3) and np.isnan(batch[1]).all()


@pytest.mark.parametrize(
    "box, message",
    [
        ("100,100,4,4", "its box is beside an image of 64 x 48 pixels"),
        ("-90,10,32,32", "its box is beside an image"),
        ("20,10,500,32", "its box is far larger than an image of 64 x 48 pixels"),
        ("20,10,1000000000,32", "no image is as large as the box"),
        ("1e300,10,32,32", "no image is as large as the box"),
    ],
)
def test_a_box_that_is_of_no_face_names_its_row(tmp_path, box, message):
    """No black crop, and no gigabytes."""
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(image).numpy())
    table = tmp_path / "verify_metadata_1.csv"
    head = "TEMPLATE_ID,SUBJECT_ID,FILE,MEDIA_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT"
    table.write_text(f"{head}\n1,7,a.png,1,20,10,32,32\n2,7,a.png,1,{box}\n")
    with pytest.raises(ValueError, match=f"verify_metadata_1.csv, line 3: {message}") as error:
        faces = Faces(BoxedFaces(tmp_path, ijba.read_faces(tmp_path, splits=(1,))), "faces")
        faces.keys(np.arange(2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_files_are_found_whatever_way_their_names_are_written_in(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    image = tf.io.encode_png(np.zeros((20, 20, 3), np.uint8)).numpy()
    folder = tmp_path / unicodedata.normalize(form, "vidéos")
    folder.mkdir()
    (folder / unicodedata.normalize(form, "José.png")).write_bytes(image)
    listed = unicodedata.normalize(other, "vidéos/José")
    for name in (listed + ".png", "./" + listed + ".png", listed.replace("/", "\\") + ".png"):
        source = BoxedFaces(tmp_path, [BoxedFace("1", name, (0, 0, 9, 9))])
        assert source.load(0)[0].shape == (14, 14, 3)
    with pytest.raises(ValueError, match="it is there as .*, the extension differs"):
        BoxedFaces(tmp_path, [BoxedFace("1", listed + ".JPG", (0, 0, 9, 9))])


def test_videos_are_found_whatever_way_their_names_are_written_in(tmp_path):
    names = ["José/0/1.jpg", "José/1/1.jpg", "Ann/0/1.jpg", "Ann/1/1.jpg"]
    on_disk = [unicodedata.normalize("NFD", name) for name in names]
    lines = ["1, 1, José/0, José/1, 1", "1, 2, ./José/0, Ann\\0, 0", "2, 3, Ann/0, Ann/1, 1"]
    (tmp_path / "splits.txt").write_text("\n".join([*lines, "2, 4, José/1, Ann/1, 0\n"]))
    test = ytf.read_splits(tmp_path / "splits.txt", on_disk)
    assert test.missing == () and len(test.videos) == 4
    assert [on_disk[i] for i in test.images[test.starts[:-1]]] == [
        on_disk[k] for k in (2, 3, 0, 1)
    ]
    assert test.same.tolist() == [True, False, True, False]
