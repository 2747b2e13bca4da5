"""Records: written, read from anywhere and in windows, interrupted, damaged."""

import hashlib
import os
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from faults import failing, states_of
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from pipelines.batches.batches import image_batches, pair_batches
from pipelines.batches.windows import Windows, windows_of
from pipelines.faces.alignment import TEMPLATE, similarity, template
from pipelines.faces.augmentation import Augmentation
from pipelines.faces.cropping import crop_region
from pipelines.faces.reasons import reading
from pipelines.faces.regions import Region, read_regions
from pipelines.inspection.checking import check_images, unusable
from pipelines.records import writing
from pipelines.records.face_cut import cut_face
from pipelines.records.plan import plan_shards
from pipelines.records.reading import RecordFaces, read_index
from pipelines.records.writing import verify_records, write_records
from pipelines.sources.subset import Subset

REGIONS = list(read_regions().values())


class NumberedFaces:
    """Every image of another number: a flat picture, its landmarks, its name."""

    def __init__(self, counts):
        self.identities = [f"Pérsön {i}" for i in range(len(counts))]
        self.labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def __len__(self):
        return len(self.labels)

    def name(self, i):
        return f"{self.identities[self.labels[i]]}/{i:04d}.png"

    def load(self, index):
        size = tf.cast(20 + index % 7, tf.int32)
        image = tf.fill([size, 24, 3], tf.cast(index % 256, tf.uint8))
        landmarks = tf.constant(TEMPLATE) * 0.15 + tf.cast(index, tf.float32) * 1e-3
        return image, landmarks

    def content(self, index):
        return tf.io.encode_png(self.load(index)[0])


def number_of(image):
    """The number of a crop of a flat picture."""
    return round(float(image[56, 48, 0]) * 128 + 127.5)


@examples(50)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=30),
    st.integers(2, 40),
    st.integers(2, 9),
    st.integers(0, 1000),
)
def test_plan(counts, images_per_shard, group, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    shards = plan_shards(labels, images_per_shard, group, seed)
    everything = np.concatenate(shards)
    assert sorted(everything) == list(range(len(labels)))
    assert len(shards) <= max(1, round(len(labels) / images_per_shard))
    for shard in shards:
        # Runs of one identity are whole groups; an image alone is one whose identity has no other,
        # or stands next to another group of its identity.
        runs = np.split(labels[shard], np.flatnonzero(np.diff(labels[shard])) + 1)
        for run in runs:
            assert len(run) > 1 or counts[run[0]] == 1
    again = plan_shards(labels, images_per_shard, group, seed)
    assert all(np.array_equal(a, b) for a, b in zip(shards, again))


@pytest.fixture(scope="module", params=["original", "faces"])
def written(request, tmp_path_factory):
    faces = NumberedFaces([3, 9, 1, 6, 12, 2, 7])
    path = tmp_path_factory.mktemp("records") / "with blank"
    write_records(
        faces, path, images_per_shard=10, group=3, encoding=request.param, progress=False
    )
    return faces, path


def test_any_image_can_be_read(written):
    faces, path = written
    records = RecordFaces(path)
    assert records.identities == faces.identities and len(records) == len(faces)
    np.testing.assert_array_equal(records.labels, faces.labels)
    assert records.labels.dtype == np.int32
    assert [records.name(i) for i in (0, 7, 39)] == [faces.name(i) for i in (0, 7, 39)]
    whole = [image for batch in image_batches(records, batch=7) for image in batch.numpy()]
    plain = [image for batch in image_batches(faces, batch=7) for image in batch.numpy()]
    # Not at the border, where a cut-out face ends within a pixel of where its picture does.
    np.testing.assert_allclose(
        np.array(whole)[:, 20:-20, 20:-20], np.array(plain)[:, 20:-20, 20:-20], atol=2 / 128
    )


def test_originals_are_as_they_were(written):
    faces, path = written
    records = RecordFaces(path)
    if read_index(path)["encoding"] == "original":
        for i in (0, 7, 39):
            for found, expected in zip(records.load(tf.constant(i)), faces.load(tf.constant(i))):
                np.testing.assert_array_equal(found, expected)


@examples(8)
@given(st.floats(0.6, 6.0), st.floats(-3.1, 3.1), st.integers(-60, 60), st.sampled_from(REGIONS))
def test_a_face_that_was_cut_out_gives_the_same_crops(scale, angle, shift, region):
    """At any size, turned in any direction, also where it ends with the picture."""
    points = (np.array(TEMPLATE) - 50) @ [1, 1j] * scale * np.exp(1j * angle)
    landmarks = np.stack([points.real, points.imag], 1) + 100 * scale + shift
    y, x = np.mgrid[: int(200 * scale), : int(180 * scale)] / scale
    waves = [np.sin(x / 14 + y / 26), np.cos(x / 22 - y / 12), np.sin(x / 18 + 1)]
    image = (127 + 100 * np.stack(waves, -1)).astype(np.uint8)
    content, found = cut_face(tf.constant(image), tf.constant(landmarks, tf.float32))
    cut = tf.io.decode_jpeg(content)
    assert max(cut.shape[:2]) <= 2 * 1.8 * 112 + 1
    a, _ = similarity(found, template(112, 96))
    assert abs(np.angle(a.numpy())) < 1e-4
    crops = [
        crop_region(cut, found, region),
        crop_region(image, tf.constant(landmarks, tf.float32), region),
    ]
    # Where the picture ends the crops may: a pixel of black is at either's border, and JPEG spreads
    # it over blocks of eight pixels of the cut face, which are up to twice as many of the crop.
    seen = crop_region(np.full_like(image, 255), tf.constant(landmarks, tf.float32), region)
    inside = -tf.nn.max_pool2d(-seen[None], 25, 1, "SAME")[0] > 254
    difference = np.abs(crops[0] - crops[1])[inside.numpy()]
    assert difference.size == 0 or np.quantile(difference, [0.5, 0.99]) @ [10, 1] < 35


def test_unknown_landmarks_become_the_expected_ones():
    image = np.random.default_rng(0).integers(0, 256, (150, 96, 3)).astype(np.uint8)
    image = tf.image.resize(tf.image.resize(image, (15, 10)), (150, 96))
    image = tf.cast(image, tf.uint8)
    unknown = tf.fill([5, 2], np.nan)
    content, landmarks = cut_face(image, unknown)
    assert np.isfinite(landmarks).all()
    face = Region("face")
    crop = crop_region(tf.io.decode_jpeg(content), landmarks, face)
    assert np.abs(crop - crop_region(image, unknown, face)).mean() < 5


def test_nothing_is_left_but_shards_and_the_index(written):
    _, path = written
    shards = [f"faces-{n:05d}-of-00004.tfrecord" for n in range(4)]
    assert sorted(p.name for p in path.iterdir()) == sorted(
        [*shards, "images.npz", "index.json", "settings.json"]
    )
    for shard in RecordFaces(path).shards:
        content = (path / shard["file"]).read_bytes()
        assert shard["bytes"] == len(content)
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()
    assert verify_records(path, progress=False) == []


def test_windows_hold_their_shards(written):
    faces, path = written
    records = RecordFaces(path)
    chosen = np.flatnonzero(faces.labels != 4)
    largest = max(shard["bytes"] for shard in records.shards)
    windows = Windows(records, chosen, pairs=2, seed=3, window_bytes=2 * largest)
    epochs = []
    for epoch in range(4):
        read = []
        for window in (2 * epoch, 2 * epoch + 1):
            members, examples = windows.read(tf.constant(window, tf.int64))
            images = chosen[members.numpy()]
            assert (np.diff(images) > 0).all()
            shards = set(records.shard[images])
            assert len(shards) == 2
            # All chosen ones of those shards.
            assert set(images) == set(chosen[np.isin(records.shard[chosen], list(shards))])
            read.append(images)
            assert len(examples) == len(images)
        assert sorted(np.concatenate(read)) == list(chosen)
        epochs.append({frozenset(images) for images in read})
    assert len(set(map(frozenset, epochs))) > 1


@pytest.mark.parametrize("sampling, starts", [("images", (1, 22)), ("identities", (7,))])
def test_pairs_from_windows(written, sampling, starts):
    faces, path = written
    records = Subset(RecordFaces(path), np.flatnonzero(faces.labels != 3))
    options = dict(pairs=4, seed=5, sampling=sampling, augmentation=Augmentation(flip=False))
    assert windows_of(faces, 4, 5) is None
    batches = list(pair_batches(records, **options).take(30).as_numpy_iterator())
    seen = set()
    for images, labels in batches:
        numbers = [number_of(image) for image in images]
        seen.update(numbers)
        # The label is that of the picture.
        names = [records.identities[label] for label in labels]
        assert names == [faces.identities[faces.labels[number]] for number in numbers]
        a, b = np.array(numbers).reshape(4, 2).T
        same = labels.reshape(4, 2)[:, 0] == labels.reshape(4, 2)[:, 1]
        np.testing.assert_array_equal(same, [True, False, True, False])
        assert (a != b).all()
    assert seen == set(np.flatnonzero(faces.labels != 3))
    # From any step on they are the same.
    for start in starts:
        images, labels = next(iter(pair_batches(records, **options, start_step=start)))
        np.testing.assert_array_equal(images, batches[start][0])
        np.testing.assert_array_equal(labels, batches[start][1])


def test_writing_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    faces = NumberedFaces([4, 6, 8, 5])
    options = dict(images_per_shard=8, group=2, progress=False)
    write_records(faces, tmp_path / "whole", **options)

    original, calls = writing.write_shard, []

    def interrupted(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(os.path.basename(arguments[2]))
        original(*arguments)

    monkeypatch.setattr(writing, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_records(faces, tmp_path / "part", **options)
    with pytest.raises(FileNotFoundError, match="writing was interrupted"):
        RecordFaces(tmp_path / "part")
    first = (tmp_path / "part" / calls[0]).stat().st_mtime_ns
    monkeypatch.setattr(writing, "write_shard", original)
    write_records(faces, tmp_path / "part", **options)
    assert (tmp_path / "part" / calls[0]).stat().st_mtime_ns == first
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "part" / file.name).read_bytes()

    write_records(faces, tmp_path / "part", **options)  # complete: nothing to do
    with pytest.raises(ValueError, match="records of another seed"):
        write_records(faces, tmp_path / "part", **options, seed=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        write_records(faces, tmp_path / "mine", **options)
    with pytest.raises(ValueError, match="encoding must be"):
        write_records(faces, tmp_path / "other", encoding="gif")


def _contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Arguments of `write_records` for two shards, and what it writes undisturbed."""
    faces = NumberedFaces([3, 2, 3])
    options = dict(images_per_shard=4, encoding="original", progress=False)
    path = tmp_path_factory.mktemp("small") / "records"
    write_records(faces, path, **options)
    shards = [shard["file"] for shard in RecordFaces(path).shards]
    assert len(shards) == 2
    assert {file.name for file in path.iterdir()} == {
        "settings.json", "index.json", "images.npz", *shards
    }
    return faces, options, _contents(path)


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_records_are_the_same_to_the_byte_in_every_process(small, tmp_path):
    _, _, whole = small
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    shards = sorted(str(path) for path in tmp_path.glob("*.tfrecord"))
    for example in tf.data.TFRecordDataset(shards).as_numpy_iterator():
        # Else the order of a record's features changes from process to process.
        sorted_one = tf.train.Example.FromString(example).SerializeToString(deterministic=True)
        assert example == sorted_one
    with zipfile.ZipFile(tmp_path / "images.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}  # none


def test_a_kill_at_any_moment_loses_and_spoils_nothing(small, tmp_path):
    faces, options, whole = small
    states = states_of(
        tmp_path / "records",
        tmp_path / "copies",
        lambda: write_records(faces, tmp_path / "records", **options),
    )
    assert _contents(tmp_path / "records") == whole
    # Folder; settings; two shards and their places; images; index; places removed.
    assert len(states) >= 12
    finished = set(whole)
    for change, copy in states:
        for part in copy.glob("*.partial"):
            _half(part)  # what a kill in the middle of writing leaves
        for name in finished & {file.name for file in copy.iterdir()}:
            assert (copy / name).read_bytes() == whole[name], (change, name)
        write_records(faces, copy, **options)
        assert _contents(copy) == whole, change


def test_a_failure_at_any_moment_loses_and_spoils_nothing(small, tmp_path):
    faces, options, whole = small
    for k in range(100):
        path = tmp_path / str(k)
        try:
            with failing(path, k):
                write_records(faces, path, **options)
            break
        except OSError:
            pass
        for file in path.iterdir() if path.exists() else ():
            if file.name in whole:
                assert file.read_bytes() == whole[file.name], (k, file.name)
        write_records(faces, path, **options)
        assert _contents(path) == whole, k
    assert 20 < k < 100 and _contents(path) == whole


def test_a_shard_with_an_image_that_cannot_be_read_is_not_there(small, tmp_path):
    faces, options, _ = small

    class Broken(NumberedFaces):
        def load(self, index):
            image, landmarks = super().load(index)
            with tf.control_dependencies([tf.debugging.Assert(index != 5, ["broken"])]):
                return tf.identity(image), landmarks

    with pytest.raises(tf.errors.InvalidArgumentError, match="broken"):
        write_records(Broken([3, 2, 3]), tmp_path / "records", **options)
    left = {file.name for file in (tmp_path / "records").iterdir()}
    assert {name for name in left if not name.endswith(".partial")} <= {
        "settings.json", "faces-00000-of-00002.tfrecord", "faces-00000-of-00002.tfrecord.npz"
    }
    write_records(faces, tmp_path / "records", **options)
    assert len(RecordFaces(tmp_path / "records")) == 8


def test_damage_is_told(tmp_path):
    faces = NumberedFaces([6, 6, 6, 6])
    write_records(faces, tmp_path, images_per_shard=12, group=3, progress=False)
    shard = tmp_path / RecordFaces(tmp_path).shards[1]["file"]
    content = shard.read_bytes()

    shard.write_bytes(content[:-9])
    with pytest.raises(ValueError, match=r"00001-of-00002.tfrecord has [\d,]+ bytes; the index"):
        RecordFaces(tmp_path)
    shard.unlink()
    with pytest.raises(ValueError, match="00001-of-00002.tfrecord is missing"):
        RecordFaces(tmp_path)

    with np.load(tmp_path / "images.npz") as images:
        last = np.flatnonzero(images["shard"] == 1)[-1]
        at = images["offset"][last] + images["length"][last] // 2
    broken = bytearray(content)
    broken[at] ^= 255
    shard.write_bytes(bytes(broken))
    records = RecordFaces(tmp_path)
    assert verify_records(tmp_path, progress=False) == [shard.name]
    with pytest.raises(ValueError, match="1 of 24 images cannot be used.*checksum.*00001-of-00002"):
        check_images(records, tmp_path / "bad.txt", progress=False)
    with pytest.raises(OSError, match="any more: .*00001-of-00002.*--verify"), reading():
        list(pair_batches(records, pairs=2).take(20))

    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        RecordFaces(tmp_path)


def test_any_damaged_byte_is_told_or_does_no_harm(small, tmp_path):
    """Of a record's length, the checksums of TFRecord, and what is in it: none is misread."""
    faces, options, _ = small
    write_records(faces, tmp_path, **options)
    records = RecordFaces(tmp_path)
    with np.load(tmp_path / "images.npz") as images:
        offset, length = int(images["offset"][0]), int(images["length"][0])
    shard = tmp_path / records.shards[records.shard[0]]["file"]
    content = shard.read_bytes()
    loaded = records.load(tf.constant(0))
    for at in (offset - 12, offset - 5, offset - 4, offset, offset + length // 2, offset + length):
        shard.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
        assert verify_records(tmp_path, progress=False) == [shard.name]
        if offset - 4 <= at < offset or at >= offset + length:
            for found, expected in zip(records.load(tf.constant(0)), loaded):
                np.testing.assert_array_equal(found, expected)
        else:
            reason = unusable(records, 0)
            assert shard.name in reason and "--verify" in reason and "\n" not in reason, at
    shard.write_bytes(content[: offset + 3] + bytes(len(content) - offset - 3))
    assert shard.name in unusable(records, 0)


@pytest.mark.parametrize("name", ["index.json", "images.npz"])
@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[: len(c) // 2], lambda c: b"{[" + c])
def test_a_damaged_index_is_one_line(small, tmp_path, name, damage):
    faces, options, _ = small
    write_records(faces, tmp_path, **options)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(ValueError, match=f"{name} is damaged") as error:
        RecordFaces(tmp_path)
    assert "\n" not in str(error.value)


def test_a_shard_without_pairs_is_refused(tmp_path):
    faces = NumberedFaces([6, 6, 6, 6])
    write_records(faces, tmp_path, images_per_shard=3, group=3, progress=False)
    with pytest.raises(ValueError, match="more images in a shard"):
        pair_batches(RecordFaces(tmp_path), pairs=2)
