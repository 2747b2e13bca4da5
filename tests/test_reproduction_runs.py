"""A reproduction to its end: killed, gone on with, at every change of its files."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import shutil

import absl.flags
import keras
import numpy as np
import pytest
from faults import failing, states_of
from made_runs import cells, made_stage
from programs import program

from pipelines.command_line import define_flags, from_flags
from sparseface_tf.evaluation import bootstrap
from sparseface_tf.programs.flag_files import read_flag_files
from sparseface_tf.programs.reproduce import scale_file
from sparseface_tf.reproduction import TABLES, Chain, Reproducer, Reproduction
from sparseface_tf.reproduction.runs import Runs
from sparseface_tf.reproduction.tables.base import DENSE, N1, NetworkTable, Row
from sparseface_tf.runs import METRICS, MODEL, RunFolder, lock
from sparseface_tf.runs.folder import MASKS
from sparseface_tf.sparsify import load_masks
from sparseface_tf.training.experiment import Experiment

# === One that is trained ===


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """The flags of reproduce.py but for the table and the scale, a list, and the runs' folder."""
    root = tmp_path_factory.mktemp("reproduced")
    for identity in range(12):
        (root / "faces" / f"{identity}").mkdir(parents=True)
        for number in range(6):
            image = np.random.default_rng((identity, number)).integers(256, size=(32, 28, 3))
            keras.utils.save_img(root / "faces" / f"{identity}" / f"{number}.png", image)
    return [
        *(f"--data={root / 'faces'}", "--margin=1", "--branches=pool4", "--training_pairs=0"),
        *("--steps=3", "--retrain_steps=2", "--nodeterministic", "--precision=float32"),
        f"--output={root / 'out'}",
    ], root / "out"


@pytest.fixture(scope="module")
def dense(given):
    """Runs with the dense network of seed 0, and the scale's settings with the flags given."""
    values = absl.flags.FlagValues()
    define_flags(Experiment, values)
    values(read_flag_files(["reproduce.py", "--flagfile=flags/scale/smoke.cfg", *given[0]]))
    settings, runs = from_flags(Experiment, values), Runs(given[1], [0])
    runs.train(DENSE, 0, settings)
    return runs, settings


@pytest.fixture(scope="module")
def sparse(dense):
    """The same with the first sparse network, which goes on from the dense one."""
    runs, settings = dense
    runs.train(N1, 0, settings)
    return runs, settings


def test_what_is_trained_is_shared(sparse):
    runs, _ = sparse
    files = [runs.folder_of(chain, 0).stage(0, MODEL) for chain in (DENSE, N1)]
    assert os.path.samefile(*files)


def test_from_scratch_has_the_same_masks_and_other_weights(sparse):
    runs, settings = sparse
    anew = dataclasses.replace(N1, from_scratch=True)
    runs.train(anew, 0, settings)
    # As long as the baseline.
    assert runs.metrics(anew, 0)["from_scratch"] and runs.metrics(anew, 0)["steps"] == 3
    masks = [load_masks(runs.stage(chain, 0, MASKS))["f"] for chain in (N1, anew)]
    assert np.array_equal(*masks) and masks[0].sum() == round(masks[0].size / 256)
    kernels = []
    for chain in (DENSE, N1, anew):
        network = keras.models.load_model(runs.stage(chain, 0, MODEL))
        kernels.append(np.ravel(network.get_layer("3b").kernel))
    # Re-trained weights lie near those they began with, new ones lie anywhere.
    near, far = (np.corrcoef(kernels[0], kernel)[0, 1] for kernel in kernels[1:])
    assert near > 0.9 and abs(far) < 0.2


def test_the_program_makes_the_table_of_what_is_trained_already(sparse, given):
    flags, folder = given
    files = [*(folder / "seed0").glob("*/stage*/*")]
    times = {path: path.stat().st_mtime_ns for path in files}
    assert len(times) > 6
    code, output = program("reproduce.py", "--table=6", "--scale=smoke", "--seeds=1", *flags)
    assert code == 0, output
    assert "to be trained" not in output
    assert times == {path: path.stat().st_mtime_ns for path in times}
    text = (folder / "table6.md").read_text()
    assert text in output
    rows = cells(text)
    assert [row[0] for row in rows[1:]] == ["highest", "λ = 0.75", "random"]
    assert all(-1 <= float(row[1].replace("−", "-")) <= 1 and row[3] == "1" for row in rows[1:])


def test_an_unknown_scale_is_refused_in_one_line():
    with pytest.raises(ValueError, match="--scale=huge: there is no .*flags/scale/huge.cfg") as error:
        scale_file("huge")
    assert "\n" not in str(error.value)


# === At every change of its files, with trainings that only leave what trainings leave ===


class Small(NetworkTable):
    """Two networks, of which one goes on from the other."""

    name = "small"
    title = "A small table"

    def rows(self):
        return [Row(("dense",), DENSE), Row(("sparse",), N1, {"accuracy": 0.9}, DENSE)]

    def claims(self, results):
        return [self.claim(results, "sparse above dense", N1, DENSE)]


@pytest.fixture
def reproduce(monkeypatch):
    """Function that reproduces the small table into a folder, with trainings of no time."""
    monkeypatch.setitem(TABLES, Small.name, Small)

    @contextlib.contextmanager
    def prepared(runs, experiment):
        yield MadeStages(experiment)

    monkeypatch.setattr(Runs, "prepared", prepared)
    # What takes time and changes no file.
    monkeypatch.setattr("sparseface_tf.reproduction.runs.own_session", contextlib.nullcontext)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # still a change that can fail
    monkeypatch.setattr(bootstrap, "RESAMPLES", bootstrap.RESAMPLES // 20)

    def run(folder):
        settings = Experiment.of(output=str(folder), study=True, width=48, steps=8, retrain_steps=6)
        one = Reproducer(Reproduction(table=[Small.name], seeds=1), settings)
        one.prepare()
        one.run()

    return run


class MadeStages:
    """In place of `Stages`: the last stage of a run without training."""

    def __init__(self, experiment):
        self.experiment = experiment

    def run(self):
        chain = Chain(tuple(self.experiment.sparsity.sparsify))
        number = len(chain.stages)
        folder = RunFolder(self.experiment.run.output)
        with folder.claimed(self.experiment.description()):
            if not folder.finished(number):
                folder.begin(number)
                accuracy = 0.7 + 0.1 * number
                folder.finish(number, lambda path: made_stage(path, chain, 0, accuracy))


def content(folder):
    """A digest of every file, but for those that say who is at work."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in lock.FILES
    }


def test_killed_at_any_change_it_ends_as_if_it_had_not_been(reproduce, tmp_path):
    folder, copies = tmp_path / "whole", tmp_path / "copies"
    copies.mkdir()
    # The folder's name is in the pages: every copy is gone on with in its place.
    states = states_of(folder, copies, lambda: reproduce(folder))
    whole = content(folder)
    assert len(states) > 50
    assert {"small.md", "small.html", "small.json"} < set(whole)
    for change, state in states:
        for metrics in state.rglob(METRICS):
            if ".partial" not in str(metrics):
                json.loads(metrics.read_text())  # whole, wherever it is in its place
        shutil.rmtree(folder)
        shutil.copytree(state, folder)
        reproduce(folder)
        assert content(folder) == whole, change
        assert not [*folder.rglob("*.training")], change


def test_on_a_disk_that_is_full_at_any_change_the_same_command_goes_on(reproduce, tmp_path):
    folder = tmp_path / "whole"
    reproduce(folder)
    whole = content(folder)
    for number in itertools.count():
        shutil.rmtree(folder)
        failed = False
        with failing(folder, number):
            try:
                reproduce(folder)
            except OSError:
                failed = True
        reproduce(folder)
        assert content(folder) == whole, number
        if not failed:
            break
    assert number > 50
