"""The folder of a run: its stages, its owner, and what is found in it by others."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from sparseface_tf.embedding import find_model
from sparseface_tf.runs import RunFolder, run_of
from sparseface_tf.runs.lock import only_process
from sparseface_tf.training.callbacks import EarlyStoppingCallback

HOLD = """
import sys
from sparseface_tf.runs.lock import only_process
from sparseface_tf.training.callbacks import EarlyStoppingCallback
with only_process(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def network(path):
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()]).save(path)


def finish(folder, number, text="{}"):
    folder.begin(number)

    def write(path):
        network(os.path.join(path, "model.keras"))
        with open(os.path.join(path, "metrics.json"), "w", encoding="utf-8") as file:
            file.write(text)

    folder.finish(number, write)


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.claimed({"seed": 3}):
        pass
    return folder


def test_stages_are_finished_one_after_another(folder):
    assert folder.settings() == {"seed": 3} and folder.last_finished() is None
    for number in range(11):
        folder.begin(number)
        with open(folder.training(number, "history.jsonl"), "w") as file:
            file.write(f"{number}\n")
        os.makedirs(folder.training(number, "logs", "more"))
        assert not folder.finished(number) and not folder.begun(number)
        open(folder.training(number, "checkpoint.npz"), "w").close()
        assert folder.begun(number)
        finish(folder, number, f'{{"stage": {number}}}')
        assert folder.finished(number) and not folder.begun(number)
        assert not os.path.exists(folder.training(number))
    # Not by the alphabet.
    assert folder.last_finished() == 10 and folder.metrics(10) == {"stage": 10}
    assert find_model(folder.path) == folder.stage(10, "model.keras")
    with open(folder.stage(9, "history.jsonl")) as file:
        assert file.read() == "9\n"
    assert os.path.isdir(folder.stage(9, "logs", "more"))
    assert not os.path.exists(folder.stage(9, "checkpoint.npz"))  # which `write` leaves
    assert run_of(folder.stage(2, "model.keras")).path == folder.path


def test_a_stage_that_is_not_finished_is_no_model(folder):
    with pytest.raises(FileNotFoundError, match="No stage of the run .*run is finished"):
        find_model(folder.path)
    finish(folder, 0)
    os.makedirs(folder.stage(1))
    network(folder.stage(1, "model.keras"))  # killed before its metrics were written
    assert find_model(folder.path) == folder.stage(0, "model.keras")
    for path in (folder.stage(1), folder.stage(1, "model.keras"), folder.training(1)):
        with pytest.raises(FileNotFoundError, match="stage1.* is not finished"):
            find_model(path)
    assert find_model(folder.stage(0)) == folder.stage(0, "model.keras")


def test_a_folder_called_like_a_stage_outside_of_a_run_is_a_model(tmp_path):
    (tmp_path / "stage7").mkdir()
    network(tmp_path / "stage7" / "model.keras")
    assert find_model(tmp_path / "stage7") == str(tmp_path / "stage7" / "model.keras")


@pytest.mark.parametrize("tested", [False, True])
def test_a_run_of_the_first_version_goes_on(folder, tested):
    # It trained where its stages end, and its last checkpoint had no optimizer.
    os.makedirs(folder.stage(0))
    np.savez(folder.stage(0, "checkpoint.npz"), weights=1)
    if tested:
        network(folder.stage(0, "model.keras"))
    with folder.claimed({}):
        assert not os.path.exists(folder.stage(0))
        # Nothing can go on from a checkpoint without optimizer; from the others it does.
        assert folder.begun(0) == (not tested)
    assert folder.settings() == {"seed": 3}


def test_the_best_weights_of_the_first_version_are_found(folder):
    os.makedirs(folder.stage(0))
    np.savez(folder.stage(0, "checkpoint.npz"), **{"number/best_step": 40})
    np.savez(folder.stage(0, "best.npz"), weights=1)
    with folder.claimed({}):
        stop = EarlyStoppingCallback(
            None, folder.training(0, "best.npz"), 2, 3, 50, {"best": 0.7, "best_step": 40}
        )
        assert os.path.exists(stop.path)


def test_half_of_a_stage_beside_its_training_is_no_obstacle(folder):
    os.makedirs(folder.stage(0))
    network(folder.stage(0, "model.keras"))
    folder.begin(0)
    with folder.claimed({}):
        finish(folder, 0)
    assert folder.last_finished() == 0


def test_a_second_process_is_told_who_writes(folder):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    ) as other:
        assert other.stdout.readline() == "held\n"
        message = f"process {other.pid} is writing in {folder.path}: wait until it ends"
        with pytest.raises(ValueError, match=message) as error, folder.claimed({}):
            pass
        assert "\n" not in str(error.value)
        other.kill()
        other.wait()
    # A process that was killed holds nothing.
    with folder.claimed({}):
        pass
    with only_process(folder.path), pytest.raises(ValueError, match=str(os.getpid())):
        with folder.claimed({}):
            pass


def test_what_is_not_a_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        with RunFolder(tmp_path).claimed({}):
            pass
    assert os.listdir(tmp_path) == ["thesis.txt"]
    (tmp_path / "thesis.txt").rename(tmp_path / "download.partial")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        RunFolder(tmp_path).check_free()
