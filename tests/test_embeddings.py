"""Features on disk: computed once, by content, whatever happens to the files."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from published import lfw_images, pictures

from pipelines.batches.batches import image_batches
from pipelines.faces.regions import read_regions
from pipelines.sources.folder import FolderFaces
from sparseface_tf.channels import ChannelPenalty, DecreasingScales
from sparseface_tf.embedding import embeddings
from sparseface_tf.embedding.embedder import find_model, open_embedder
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.embedding.systems import System, different_parts, open_systems
from sparseface_tf.export.exporter import Exporter
from sparseface_tf.export.settings import Export
from sparseface_tf.networks import baseline_network

ROOT = pathlib.Path(__file__).parent.parent


def network(path, height=28, width=24, channels=3, features=5, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Dense(features),
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return str(path)


@pytest.fixture
def lfw(tmp_path):
    lfw_images(tmp_path / "lfw", pictures(3, 2))
    return Faces(FolderFaces(tmp_path / "lfw"), "faces")


@pytest.fixture
def embedder(tmp_path):
    return open_embedder(network(tmp_path / "model.keras"))


def direct(embedder, source, images, mirrored=False):
    batches = image_batches(source, images, region=embedder.region, mirrored=mirrored)
    return np.concatenate([embedder.network.predict_on_batch(batch) for batch in batches])


def counting(monkeypatch):
    """A list that gets the images that are really embedded."""
    seen = []

    def count(source, images, **settings):
        seen.extend(np.asarray(images).tolist())
        return image_batches(source, images, **settings)

    monkeypatch.setattr(embeddings, "image_batches", count)
    return seen


def test_features_are_the_networks_and_come_from_disk_next_time(
    tmp_path, lfw, embedder, monkeypatch
):
    seen = counting(monkeypatch)
    images = np.array([4, 0, 2, 4])
    for mirrored in (False, True):
        cache = FeatureCache(tmp_path / "cache")
        found = cache.features(embedder, lfw, images, mirrored)
        assert found.dtype == np.float32
        np.testing.assert_allclose(
            found, direct(embedder, lfw.source, images, mirrored), rtol=1e-4, atol=1e-5
        )
        again = FeatureCache(tmp_path / "cache").features(embedder, lfw, images, mirrored)
        np.testing.assert_array_equal(again, found)
    assert seen == [4, 0, 2] * 2
    cache.features(embedder, lfw, np.arange(6))
    assert seen[6:] == [1, 3, 5]


def test_another_network_region_or_image_has_other_features(
    tmp_path, lfw, embedder, monkeypatch
):
    cache = FeatureCache(tmp_path / "cache")
    first = cache.features(embedder, lfw, np.arange(6))
    other = open_embedder(network(tmp_path / "other.keras", seed=1))
    assert not np.allclose(cache.features(other, lfw, np.arange(6)), first)
    part = open_embedder(tmp_path / "model.keras", region="face_close")
    assert part.key != embedder.key
    assert not np.allclose(cache.features(part, lfw, np.arange(6)), first)

    # One file is replaced, another one renamed: only the new content is embedded.
    folder = tmp_path / "lfw" / "Person_00"
    (folder / "Person_00_0001.jpg").write_bytes((folder / "Person_00_0002.jpg").read_bytes())
    lfw_images(tmp_path / "new", pictures(4, 1)[3:])
    (tmp_path / "new/Person_00/Person_00_0001.jpg").rename(
        tmp_path / "lfw/Person_01/Person_01_0001.jpg"
    )
    (tmp_path / "lfw/Person_02").rename(tmp_path / "lfw/Person_09")
    seen = counting(monkeypatch)
    again = cache.features(embedder, Faces(FolderFaces(tmp_path / "lfw"), "x"), np.arange(6))
    assert seen == [2]
    np.testing.assert_array_equal(again[[1, 3, 4, 5]], first[[1, 3, 4, 5]])
    np.testing.assert_array_equal(again[0], first[1])


def test_landmarks_are_content(tmp_path, lfw):
    before = lfw.keys(np.arange(6))
    points = "10,12,20,12,15,16,11,22,19,22"
    header = "path," + ",".join(
        f"{name}_{axis}"
        for name in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        for axis in "xy"
    )
    (tmp_path / "lfw" / "landmarks.csv").write_text(
        f"{header}\nPerson_00/Person_00_0002.jpg,{points}\n"
    )
    after = Faces(FolderFaces(tmp_path / "lfw"), "x").keys(np.arange(6))
    assert [a == b for a, b in zip(before, after)] == [True, False, True, True, True, True]


def test_an_interrupted_run_goes_on(tmp_path, lfw, embedder, monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD", 2)
    whole = FeatureCache(tmp_path / "whole").features(embedder, lfw, np.arange(6))
    written = []

    def write(folder, keys, features):
        if written:
            raise KeyboardInterrupt
        written.append(keys)
        write_shard(folder, keys, features)

    write_shard = embeddings._write
    monkeypatch.setattr(embeddings, "_write", write)
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path / "cache").features(embedder, lfw, np.arange(6))
    monkeypatch.setattr(embeddings, "_write", write_shard)
    seen = counting(monkeypatch)
    again = FeatureCache(tmp_path / "cache").features(embedder, lfw, np.arange(6))
    assert seen == [2, 3, 4, 5]
    np.testing.assert_allclose(again, whole, rtol=1e-4, atol=1e-5)


def test_a_damaged_file_is_not_used(tmp_path, lfw, embedder, caplog):
    cache = FeatureCache(tmp_path / "cache")
    first = cache.features(embedder, lfw, np.arange(6))
    (path,) = (tmp_path / "cache").rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(cache.features(embedder, lfw, np.arange(6)), first)
    assert "is damaged" in caplog.text
    np.testing.assert_array_equal(cache.features(embedder, lfw, np.arange(6)), first)


def test_images_that_cannot_be_read_are_named(tmp_path, lfw, embedder):
    path = tmp_path / "lfw/Person_01/Person_01_0002.jpg"
    content = path.read_bytes()
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="Person_01/Person_01_0002.jpg cannot be used: .*; repair"):
        FeatureCache(tmp_path / "cache").features(embedder, lfw, np.arange(6))
    path.unlink()
    with pytest.raises(ValueError, match="Person_01/Person_01_0002.jpg cannot be used"):
        Faces(lfw.source, "x").keys(np.arange(6))
    path.write_bytes(content)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["first", "last", "norm"])
def test_weights_that_are_not_finite_are_told_when_a_network_is_opened(tmp_path, name, value):
    model = keras.Sequential([
        keras.Input((28, 24, 3)),
        keras.Sequential([keras.layers.Conv2D(2, 9, strides=9, activation="relu", name="first")]),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Flatten(),
        keras.layers.Dense(2, activation="relu", name="last"),
    ])
    layer = next(layer for layer in model._flatten_layers() if layer.name == name)
    layer.set_weights([*layer.get_weights()[:-1], np.array([0, value], "float32")])
    model.save(tmp_path / "model.keras")
    expected = f"model.keras is broken: 1 of 2 values of .* of layer '{name}' are NaN or infinite"
    with pytest.raises(ValueError, match=expected):
        open_embedder(tmp_path / "model.keras")


def test_features_that_are_not_finite(tmp_path, lfw):
    # Finite weights whose products are not.
    path = network(tmp_path / "large.keras")
    model = keras.saving.load_model(path)
    model.layers[-1].kernel.assign(np.full(model.layers[-1].kernel.shape, 3e38))
    model.save(path)
    with pytest.raises(ValueError, match="large.keras gives features that are not finite, for 6 of 6"):
        FeatureCache(tmp_path / "cache").features(open_embedder(path), lfw, np.arange(6))
    assert not list((tmp_path / "cache").rglob("*.npz"))


def run_folder(root, region="face", stages=(0, 10, 9)):
    """A run of train.py with finished stages and its settings."""
    row = read_regions()[region].scaled(24)
    for stage in stages:
        network(root / f"stage{stage}" / "model.keras", row.height, 24, row.channels, seed=stage)
        (root / f"stage{stage}" / "metrics.json").write_text("{}")
    (root / "experiment.json").write_text(json.dumps({"regions": vars(row)}))
    return root


def test_models_of_a_run(tmp_path):
    run = run_folder(tmp_path / "run", "left_eye")
    assert find_model(run).endswith("stage10/model.keras")
    assert find_model(run / "stage9").endswith("stage9/model.keras")
    found = open_embedder(run)
    assert found.region == read_regions()["left_eye"].scaled(24)
    assert open_embedder(run / "stage9").key != found.key
    # A later stage that is not finished is no model yet, nor one that is in training.
    for folder in ("stage11", "stage12.training"):
        network(run / folder / "model.keras", 28, 24)
        for path in (run / folder, run / folder / "model.keras"):
            with pytest.raises(FileNotFoundError, match="is not finished"):
                find_model(path)
    assert find_model(run).endswith("stage10/model.keras")


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (["nowhere"], FileNotFoundError, "No model .*nowhere: give a .keras"),
        (["text.keras"], ValueError, "text.keras is not a Keras model"),
        (["model.keras", "face_grey"], ValueError, "takes images of 28 x 24 x 3, the region face_grey"),
        (["model.keras", "tail"], ValueError, "no region tail; there are face"),
        (["wide.keras"], ValueError, "takes images of 24 x 28 x 3, the region face has"),
        (["flat.keras"], ValueError, "give a network from images"),
    ],
)
def test_bad_models(tmp_path, arguments, error, message):
    network(tmp_path / "model.keras")
    network(tmp_path / "wide.keras", 24, 28)
    (tmp_path / "text.keras").write_text("no model")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "flat.keras")
    with pytest.raises(error, match=message):
        open_embedder(tmp_path / arguments[0], *arguments[1:])


def test_flips_and_joined_features(tmp_path, lfw, embedder):
    cache, images = FeatureCache(tmp_path / "cache"), np.arange(6)
    plain = direct(embedder, lfw.source, images)
    mirror = direct(embedder, lfw.source, images, mirrored=True)
    assert np.abs(plain - mirror).max() > 1e-3
    for flip, expected in (
        ("none", plain),
        ("average", (plain + mirror) / 2),
        ("join", np.hstack([plain, mirror])),
    ):
        found = System("x", (embedder,), flip).features(cache, lfw, images)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    other = open_embedder(network(tmp_path / "other.keras", seed=1, features=3))
    joined = System("x", (embedder, other), "none").features(cache, lfw, images)
    parts = [plain, direct(other, lfw.source, images)]
    expected = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    np.testing.assert_allclose(joined, np.hstack(expected), rtol=1e-4, atol=1e-5)


def test_systems_of_a_command_line(tmp_path):
    for region in ("face", "left_eye"):
        run_folder(tmp_path / "runs" / region, region, stages=(0, 1))
    root = f"{tmp_path}/runs"
    systems = open_systems(
        [f"{root}/face/stage0", f"sparse={root}/face"],
        [f"{root}/*/stage0", f"both sparse={root}/face,{root}/left_eye"],
    )
    assert [system.name for system in systems] == [
        "face/stage0", "sparse", "*/stage0", "both sparse",
    ]  # fmt: skip
    assert [len(system.members) for system in systems] == [1, 1, 2, 2]
    assert systems[1].members[0] is systems[3].members[0]
    assert [single.name for single in systems[2].singles()] == ["face", "left_eye"]

    for models, ensembles, message in (
        ([f"{root}/face/stage0", f"{root}/face/stage0"], [], "Two models are called"),
        ([], [f"{root}/face"], "is 1 model"),
        ([], [f"{root}/face,{root}/face/stage1,{root}/left_eye"], "has a model twice"),
        ([], [f"{root}/nose*"], "No model matches"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            open_systems(models, ensembles)


def test_what_tells_paths_apart():
    assert different_parts(["a/b/stage0/model.keras"]) == ["b/stage0"]
    assert different_parts(["r/stage0/model.keras", "r/stage1/model.keras"]) == ["stage0", "stage1"]
    assert different_parts(["r/x.keras", "r/y.keras"]) == ["x.keras", "y.keras"]


def test_a_process_that_only_opens_networks_knows_all_their_parts(tmp_path):
    settings = {"gamma_initializer": DecreasingScales(), "gamma_regularizer": ChannelPenalty(0.1, 0.1)}
    model = baseline_network((56, 48, 3), 0.0625, study=True, normalization=settings)
    model.save(tmp_path / "model.keras")
    # Not in this process, which has imported everything.
    program = "import sys; from sparseface_tf.embedding import open_embedder; open_embedder(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", ["my layer", "é", "a:b", "-f", "_f"])
def test_names_that_tensorflow_refuses_are_told_with_the_rule(tmp_path, name):
    model = keras.Sequential([
        keras.Input((28, 24, 3)),
        keras.layers.Flatten(),
        keras.layers.Dense(2, name=name),
    ])
    path = str(tmp_path / "model.keras")
    model.save(path)
    with pytest.raises(ValueError, match=f"a layer named '{name}', and TensorFlow wants names") as told:
        Exporter(Export(model=path, output=str(tmp_path / "out"))).prepare()
    assert "\n" not in str(told.value)
    if name in ("-f", "_f"):
        # Such names only a graph in a file cannot have.
        assert open_embedder(path).network.predict_on_batch(np.zeros((1, 28, 24, 3))).shape == (1, 2)
    else:
        with pytest.raises(ValueError, match="letters of ASCII, digits and _ . - > only: give"):
            open_embedder(path)


def test_only_files_with_what_is_asked_for_are_read(tmp_path, lfw, embedder, monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD", 2)
    whole = FeatureCache(tmp_path / "cache").features(embedder, lfw, np.arange(6))
    read = []
    opened = embeddings._opened

    def note(path, size, part):
        read.append(part)
        return opened(path, size, part)

    monkeypatch.setattr(embeddings, "_opened", note)
    cache = FeatureCache(tmp_path / "cache")
    np.testing.assert_array_equal(cache.features(embedder, lfw, [3]), whole[[3]])
    assert read == ["keys"] * 3 + ["features"]
    np.testing.assert_array_equal(cache.features(embedder, lfw, [5, 0, 4]), whole[[5, 0, 4]])
    # The index stays; images 4 and 5 are in one file.
    assert read[4:] == ["features"] * 2


def test_what_was_not_used_for_longest_is_evicted(tmp_path, lfw, embedder, monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD", 2)
    cache = FeatureCache(tmp_path / "cache")
    whole = cache.features(embedder, lfw, np.arange(4))
    files = sorted((tmp_path / "cache").rglob("*.npz"))
    for path in files:
        os.utime(path, (1, 1))
    cache.features(embedder, lfw, [2])  # makes the second file the one used last
    (used,) = (path for path in files if path.stat().st_mtime > 1)
    cache.limit = sum(path.stat().st_size for path in files)
    cache.features(embedder, lfw, [4, 5])
    left = [*(tmp_path / "cache").rglob("*.npz")]
    assert len(left) == 2 and used in left
    # Gone is gone for an index that knew it: computed again.
    seen = counting(monkeypatch)
    np.testing.assert_allclose(cache.features(embedder, lfw, np.arange(4)), whole, rtol=1e-5)
    assert seen == [0, 1]


def test_a_limit_below_one_file_keeps_the_newest(tmp_path, lfw, embedder):
    cache = FeatureCache(tmp_path / "cache", limit=1)
    first = cache.features(embedder, lfw, [0, 1])
    np.testing.assert_array_equal(cache.features(embedder, lfw, [0, 1]), first)
    cache.features(embedder, lfw, [2])
    assert len([*(tmp_path / "cache").rglob("*.npz")]) == 1
