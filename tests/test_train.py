"""train.py as a user runs it, on a tiny network and a few rendered faces."""

import functools
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import ROOT, killed, program, same_arrays

from sparseface_tf.sparsify import load_masks
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.stages import Stages

train = functools.partial(program, "train.py")
TINY = [
    "--study", "--width=48", "--width_multiplier=0.125",
    "--identities=12", "--images_per_identity=6", "--held_out=5", "--held_out_pairs=40",
    "--steps=5", "--retrain_steps=4", "--epochs=0", "--retrain_epochs=0", "--pairs=4",
    "--checkpoint_steps=3", "--correlation_images=16", "--deterministic", "--margin=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a whole run of stage1.cfg, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    code, output = train("--flagfile=flags/stage1.cfg", *TINY, f"--output={folder}")
    assert code == 0, output
    return folder, output


def test_every_stage_leaves_its_results(finished):
    folder, _ = finished
    check_stages(folder, {"f": 1 / 256}, steps=5, other="2a")


def test_a_layer_more_is_sparse_in_every_stage(tmp_path, small_runs):
    shares = {"f": 1 / 16, "conv2": 1 / 8, "conv1": 1 / 2}
    settings = Experiment.of(
        network="deepid2plus", branches=["pool1"], margin="1", pairs=2, steps=5, retrain_steps=4,
        checkpoint_steps=3, correlation_images=8, deterministic=True, output=str(tmp_path),
        sparsify=["1/16-f", "1/8-conv2", "1/2-conv1"],
    )  # fmt: skip
    with Stages(settings) as run:
        run.prepare()
        table = run.run()
    check_stages(tmp_path, shares, steps=5, other="conv1")
    # The masks of a stage are the ones of the stage before and one more.
    first, last = (load_masks(tmp_path / f"stage{n}" / "masks.npz") for n in (1, 3))
    assert np.array_equal(first["f"], last["f"])
    assert (tmp_path / "table.md").read_text() == table
    assert table.count("\n") == 6
    assert "1/16-f 1/8-conv2 1/2-conv1" in table


def check_stages(folder, shares, *, steps, other):
    """Checks what a run left: a stage for each share of a layer, and the dense one.

    Args:
        folder: `pathlib.Path` of the run.
        shares: dict from layers to the shares of their weights that are kept, in order.
        steps: mini-batches of the dense stage; the others have four.
        other: name of a layer that is dense in the first two stages.
    """
    weights = {}
    for number in range(len(shares) + 1):
        sparse = list(shares)[:number]
        stage = folder / f"stage{number}"
        metrics = json.loads((stage / "metrics.json").read_text())
        model = keras.models.load_model(stage / "model.keras")
        masks = load_masks(stage / "masks.npz")
        assert set(masks) == set(sparse)
        kept = 0
        for name, count in metrics["layers"].items():
            layer = model.get_layer(name)
            kernel, mask = np.asarray(layer.kernel), np.asarray(layer.mask)
            assert np.all(kernel[~mask] == 0)
            assert count == {
                "weights": kernel.size,
                "kept": np.count_nonzero(mask),
                "density": np.count_nonzero(mask) / kernel.size,
            }
            if name in sparse:
                assert count["kept"] == round(shares[name] * kernel.size)
                assert np.array_equal(masks[name], mask)
            else:
                assert count["kept"] == kernel.size
            kept += count["kept"]
        assert metrics["parameters_kept"] == kept
        assert 0 < metrics["training"]["identities"] < metrics["training"]["images"]
        assert metrics["compression_ratio"] == kept / metrics["parameters"]
        assert 0 <= metrics["verification"]["held_out"]["accuracy"] <= 1
        assert metrics["last"]["step"] == metrics["steps"] == (4 if number else steps)
        assert ("mean_abs_correlation" in metrics) == bool(number)
        assert any((stage / "logs").iterdir())
        history = [json.loads(line) for line in (stage / "history.jsonl").open()]
        assert [line["step"] for line in history] == list(range(1, metrics["steps"] + 1))
        weights[number] = np.asarray(model.get_layer(other).kernel)
    assert not np.array_equal(weights[0], weights[1])


def test_the_table_is_printed_and_kept(finished):
    folder, output = finished
    table = (folder / "table.md").read_text()
    assert table in output
    assert table.count("\n") == 4
    assert "1/256-f" in table


def test_a_killed_run_goes_on_to_the_same_weights(finished, tmp_path):
    folder, _ = finished
    arguments = ["--flagfile=flags/stage1.cfg", *TINY, f"--output={tmp_path}"]
    # In the middle of a re-training: a mask is assigned, momentum and random states are under way.
    killed("train.py", *arguments, when=tmp_path / "stage1.training" / "checkpoint.npz")
    assert not (tmp_path / "stage1").exists()
    code, output = train(*arguments)
    assert code == 0, output
    for number in range(2):
        same_arrays(*(path / f"stage{number}" / "checkpoint.npz" for path in (folder, tmp_path)))


def test_other_settings_in_the_same_folder_are_refused(finished):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, output = train("--flagfile=flags/stage1.cfg", *TINY, "--sparsify=1/128-5b", f"--output={folder}")
    assert code != 0
    assert "--sparsify was ['1/256-f'], is ['1/256-f', '1/128-5b']" in output
    assert "Traceback" not in output
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(data="no such folder"), "No folder no such folder"),
        (dict(sparsify=["1/2-9z"]), "no layer '9z'"),
        (dict(width=24), "too small"),
        (dict(identities=1), "identities"),
        (dict(identities=3), "Holding out"),
        (dict(images_per_identity=1), "pairs"),
        (dict(test_data="no such folder", test_pairs="x"), "No folder no such folder"),
        (dict(branches=["pool9"]), "No layer 'pool9'"),
        (dict(block=4, sparsify=["1/2-2a"], retrain_steps=1), "does not divide the 3 inputs of 2a"),
        (dict(output="/proc/nothing/here"), "/proc/nothing"),
    ],
)
def test_bad_input_is_told_in_one_line_before_training(settings, message, tmp_path):
    settings = {
        **dict(study=True, width=48, width_multiplier=0.125),
        **dict(identities=8, images_per_identity=4, held_out=3, held_out_pairs=36, steps=1),
        **dict(output=str(tmp_path / "run")),
        **settings,
    }
    with pytest.raises((ValueError, OSError), match=message) as error:
        Stages(Experiment.of(**settings)).prepare()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("run/stage*"))


def test_a_full_disk_is_told_before_training(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    experiment = Experiment.of(
        study=True, width=48, width_multiplier=0.125, identities=8,
        images_per_identity=4, held_out=3, held_out_pairs=36, steps=1, output=str(tmp_path),
    )  # fmt: skip
    with pytest.raises(OSError, match="make room"):
        Stages(experiment).prepare()


def test_errors_have_no_traceback(tmp_path):
    code, printed = train("--flagfile=flags/stage0.cfg", *TINY, "--sparsify=2-f", "--output=x")
    assert code != 0
    assert printed.strip().splitlines()[-1].startswith("error: --sparsify=2-f: S is the fraction")
    assert "Traceback" not in printed
    assert not (ROOT / "x").exists()


def test_regions_are_trained_one_after_another(tmp_path):
    arguments = [
        *("--flagfile=flags/stage0.cfg", *TINY, "--steps=2", "--margin=1", "--region=nose,face_grey"),
        *("--rotation=5", "--blur=1", f"--output={tmp_path}"),
    ]
    code, printed = train(*arguments)
    assert code == 0, printed
    table = (tmp_path / "regions.md").read_text()
    assert table in printed
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["nose", "face_grey"]
    for region, shape in (("nose", (48, 48, 3)), ("face_grey", (56, 48, 1))):
        path = tmp_path / region / "stage0" / "model.keras"
        assert keras.models.load_model(path).input_shape[1:] == shape
    # The same command again finds everything done.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.keras")}
    code, printed = train(*arguments)
    assert code == 0 and table in printed
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.keras")}


def test_contact_sheets_are_drawn_and_nothing_else(tmp_path):
    regions, augmentation = tmp_path / "regions.png", tmp_path / "augmentation.png"
    code, printed = train(
        *("--steps=1", "--identities=6", "--images_per_identity=2", "--region=all", "--shift=0.1"),
        *(f"--draw_regions={regions}", f"--draw_augmentation={augmentation}"),
        f"--output={tmp_path / 'run'}",
    )
    assert code == 0, printed
    for path in (regions, augmentation):
        picture = tf.io.decode_png(path.read_bytes(), channels=3).numpy()
        assert picture.std() > 20 and min(picture.shape[:2]) > 300
    assert not (tmp_path / "run").exists()
