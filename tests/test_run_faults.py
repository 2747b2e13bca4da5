"""A run that is killed, or fails, at any change of its folder goes on to the same weights."""

import errno
import functools
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
from faults import broken_at, states_of
from programs import same_arrays

from sparseface_tf.training import stages
from sparseface_tf.training.experiment import Experiment

COMMON = dict(
    network="deepid2plus", branches=["pool1"], margin="1", pairs=2, steps=2, retrain_steps=2,
    checkpoint_steps=1, checkpoint_minutes=0, margin_steps=1, correlation_images=8,
    deterministic=True, dropout_f=0.5, seed=3,
)  # fmt: skip
RUNS = {
    # All images in a mini-batch: the accuracy is measured after each, and the third is not needed.
    "patience": dict(
        precision="float32", optimizer="adamw", pairs=10, steps=3, patience=1, sparsify=["1/4-f"]
    ),
    "channels": dict(
        precision="mixed_bfloat16", optimizer="sgd", normalization=True, prioritise=True,
        centre_weight=0.1, sparsify=["channels"], levels=["1", "0.5"],
    ),
    "anew": dict(
        precision="mixed_float16", optimizer="adamw", margin="data", sparsify=["1/4-f:taylor"],
        from_scratch=True,
    ),
}  # fmt: skip


def run(folder, kind):
    keras.backend.clear_session(free_memory=False)
    experiment = Experiment.of(**{**COMMON, **RUNS[kind], "output": str(folder)})
    with stages.Stages(experiment) as one:
        one.prepare()
        return one.run()


@functools.lru_cache
def _uninterrupted(kind, folder):
    folder = pathlib.Path(folder)
    return folder / "run", states_of(folder / "run", folder / "copies", lambda: run(folder / "run", kind))


@pytest.fixture
def uninterrupted(tmp_path_factory):
    """Function of a kind of run: its finished folder, and the states that kills would leave."""
    base = tmp_path_factory.getbasetemp()
    return lambda kind: _uninterrupted(kind, str(base / f"uninterrupted_{kind}"))


def weights(folder):
    """The weights of a stage's network, a list of arrays."""
    return [np.asarray(weight) for weight in keras.models.load_model(folder / "model.keras").weights]


_weights = functools.lru_cache(weights)  # of the uninterrupted run, which stays as it is


def check_same(expected, found, kind):
    """Asserts that a run ended as an uninterrupted one, to the bit, and left nothing half-done."""
    for number in range(2):
        folders = [path / f"stage{number}" for path in (expected, found)]
        same_arrays(*(folder / "checkpoint.npz" for folder in folders))
        same_arrays(*(folder / "masks.npz" for folder in folders))
        same_arrays(*(folder / "scores.npz" for folder in folders))
        names = [sorted(file.name for file in folder.iterdir()) for folder in folders]
        assert names[0] == names[1]
        for one, other in zip(_weights(folders[0]), weights(folders[1]), strict=True):
            assert np.array_equal(one, other)
    names = {file.name for file in found.iterdir()} - {".lock"}
    assert names == {"experiment.json", "stage0", "stage1", "table.md"}


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", RUNS)
def test_a_run_goes_on_from_every_state(kind, part, uninterrupted, tmp_path, small_runs):
    expected, states = uninterrupted(kind)
    assert len(states) > 30
    if kind == "patience":
        assert json.loads((expected / "stage0" / "metrics.json").read_text())["best_step"] < 3
    for number, (change, state) in list(enumerate(states))[part::PARTS]:
        # A kill before the change; then the disk is full at that change; then all is well.
        folder = tmp_path / f"run{number}"
        shutil.copytree(state, folder)
        with broken_at(folder, change):
            try:
                run(folder, kind)
            except OSError as error:
                assert error.errno == errno.ENOSPC
        run(folder, kind)
        check_same(expected, folder, kind)
        shutil.rmtree(folder)
