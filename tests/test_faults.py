"""Features and exports are whole or not there, whatever write, fsync or rename they are stopped at."""

import pathlib
import shutil

import keras
import numpy as np
import pytest
from faults import failing, states_of
from sparse_networks import small_network

from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.embedding import Faces, FeatureCache, embeddings, open_embedder
from sparseface_tf.export import Export
from sparseface_tf.export.card import CARD
from sparseface_tf.export.saved_model import signatures
from sparseface_tf.export.saved_model.exporter import SavedModelExporter
from sparseface_tf.export.tflite.exporter import TFLiteExporter


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of a small network."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    small_network().save(path)
    return path


def contents(folder):
    """The files of a folder, but for those that a kill has left unfinished: a dict of bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path: str(path.relative_to(folder)) for path in files}
    return {name: path.read_bytes() for path, name in names.items() if ".partial" not in name}


def faults(folder, tmp_path, work, most=60):
    """What some work leaves in a folder where it is killed at, or fails at, each change.

    Args:
        folder: `pathlib.Path` of a folder, as it is before the work.
        tmp_path: for copies.
        work: function of a folder.

    Yields:
        (what happened, `pathlib.Path` of a folder that is so).
    """
    copies = tmp_path / "copies"
    shutil.copytree(folder, tmp_path / "killed")
    states = states_of(tmp_path / "killed", copies, lambda: work(tmp_path / "killed"))
    assert len(states) > 3
    for change, copy in states:
        yield f"killed before: {change}", copy
    for k in range(most):
        copy = tmp_path / f"failed{k}"
        shutil.copytree(folder, copy)
        with failing(copy, k):
            try:
                work(copy)
            except OSError:
                pass
            else:
                return
        yield f"change {k} failed", copy
    raise AssertionError("always more changes")


# === Features ===


def test_features_are_the_same_after_any_fault(model, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD", 3)
    embedder = open_embedder(model)
    faces = Faces(SyntheticFaces(identities=4, images_per_identity=2, size=60), "faces")
    images = np.arange(8)
    # Cut out once.
    batches = embeddings.image_batches(faces.source, images, region=embedder.region)
    crops = np.concatenate([*batches.as_numpy_iterator()])
    monkeypatch.setattr(embeddings, "image_batches", lambda _, chosen, **__: [crops[chosen]])

    def work(folder):
        return FeatureCache(folder).features(embedder, faces, images)

    (tmp_path / "empty").mkdir()
    expected = work(tmp_path / "whole")
    kept = contents(tmp_path / "whole")
    for what, folder in faults(tmp_path / "empty", tmp_path, work):
        # What is there is whole.
        assert contents(folder).items() <= kept.items(), what
        np.testing.assert_array_equal(work(folder), expected, err_msg=what)
        assert contents(folder) == kept, what


# === TFLite ===


def prepared(kind, model, output, **settings):
    """An export that is ready to run."""
    output.mkdir(exist_ok=True)
    values = dict(parity_images=2, compare=False, seconds=0.01) if kind is TFLiteExporter else {}
    export = Export(model=str(model), output=str(output), **(values | settings))
    one = kind(export)
    one.prepare()
    return one


@pytest.fixture(scope="module")
def tflite(model, tmp_path_factory):
    """Writes a file and its report: function of a folder, and of a number that both get."""
    exporter = prepared(TFLiteExporter, model, tmp_path_factory.mktemp("tflite"))
    asked = []
    exporter._write = lambda *arguments: asked.append(arguments) or ""
    exporter.run()
    del exporter._write
    ((content, report),) = asked

    def write(folder, number):
        exporter.export.output = str(folder)
        report.facts["number"] = str(number)
        exporter._write(content + bytes([number]), report)

    return write


def test_a_tflite_export_is_wholly_there_or_not_at_all(tflite, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for number, folder in enumerate((old, new)):
        folder.mkdir()
        tflite(folder, number)
    (tmp_path / "empty").mkdir()
    whole = {number: contents(folder) for number, folder in enumerate((old, new))}
    assert len(whole[1]) == 4 and CARD in whole[1]
    for number, before in enumerate((tmp_path / "empty", old)):
        scratch = tmp_path / f"faults{number}"
        scratch.mkdir()
        for what, folder in faults(before, scratch, lambda folder: tflite(folder, 1)):
            found = contents(folder)
            # The file is always there, and what is beside it is its own.
            assert "model.tflite" in found or not number, what
            assert any(found.items() <= each.items() for each in whole.values()), what
            tflite(folder, 1)
            assert contents(folder) == whole[1], what


def test_a_full_disk_leaves_the_old_export(tflite, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    tflite(folder, 0)
    before = contents(folder)
    with failing(folder), pytest.raises(OSError, match="No space left"):
        tflite(folder, 1)
    assert contents(folder) == before


# === SavedModel ===


def test_a_version_of_a_saved_model_is_never_half_there(model, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    whole = tmp_path / "whole"
    settings = dict(format="saved_model", parity_images=2, warmup=0)
    exporter = prepared(SavedModelExporter, model, whole, **settings)
    # The same files each time, and the same answers: what is tried out is how they are written.
    compare, asked = exporter._compare, []
    exporter._compare = lambda found: asked.append(compare(found)) or asked[0]
    exporter.run()
    written = contents(whole)
    monkeypatch.setattr(
        signatures, "write_saved_model", lambda path, *_: shutil.copytree(whole / "1", path)
    )
    exporter._found = lambda path: {}
    exporter._compare = lambda found: asked[0]

    def work(folder):
        exporter.path = str(folder / "1")
        exporter.run()

    (tmp_path / "empty").mkdir()
    for what, folder in faults(tmp_path / "empty", tmp_path, work):
        assert contents(folder) in ({}, written), what
        if not (folder / "1").exists():
            work(folder)
        assert contents(folder) == written, what


def test_what_is_unfinished_is_no_model(tmp_path):
    left = tmp_path / ".1.0123abcd.partial" / "1"
    left.mkdir(parents=True)
    (left / "saved_model.pb").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="No model"):
        open_embedder(pathlib.Path(tmp_path))
