"""A run that is killed, or fails, at any change of its folder goes on to the same weights.

The algorithm, its callbacks and its folder are the real ones; network and data are as small as can
be, so that every change can be tried: a few numbers in place of faces, two layers in place of eleven.
"""

import errno
import functools
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from faults import broken_at, states_of
from programs import same_arrays
from tensorflow.python.framework.config import disable_op_determinism

from sparseface_tf.layers import MaskedConv2D, MaskedDense
from sparseface_tf.training import building, stage_accuracy, stages
from sparseface_tf.training.experiment import Experiment

SHAPE = (6, 5, 3)
PEOPLE, IMAGES = 5, 4
COMMON = dict(
    network="deepid2plus", branches=["pool1"], margin="data", pairs=2, steps=3, retrain_steps=3,
    checkpoint_steps=2, correlation_images=8, deterministic=True, dropout_f=0.5, seed=3,
)  # fmt: skip
RUNS = {
    "patience": dict(precision="float32", optimizer="adamw", patience=1, sparsify=["1/4-f"]),
    "channels": dict(
        precision="mixed_bfloat16", optimizer="sgd", normalization=True, prioritise=True,
        centre_weight=0.1, sparsify=["channels"], levels=["1", "0.5"],
    ),
    "scaled": dict(precision="mixed_float16", optimizer="adamw", sparsify=["1/4-f"]),
    "anew": dict(
        precision="mixed_float16", optimizer="sgd", sparsify=["1/4-f:taylor"], from_scratch=True
    ),
}  # fmt: skip


def small_network(name, shape, *, width, study, normalization, dropout):
    """Has what the algorithm asks of a network: a pooling stage, f, "feature"."""
    x = image = keras.Input(shape, name="image")
    x = MaskedConv2D(4, 3, name="conv1", use_bias=normalization is False)(x)
    if normalization is not False:
        settings = {} if normalization is True else normalization
        x = keras.layers.BatchNormalization(name="conv1_normalization", **settings)(x)
    x = keras.layers.ReLU(name="conv1_relu")(x)
    x = keras.layers.MaxPooling2D(2, name="pool1")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.ReLU(name="f_relu")(MaskedDense(8, name="f")(x))
    x = keras.layers.Activation("linear", dtype="float32", name="feature")(x)
    return keras.Model(image, x, name="small")


class Faces:
    """People whose images are arrays of numbers."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.identities = [f"Person {i}" for i in range(PEOPLE)]
        self.labels = np.repeat(np.arange(PEOPLE, dtype=np.int32), IMAGES)
        own = rng.normal(size=(PEOPLE, 1, *SHAPE))
        images = own + 0.5 * rng.normal(size=(PEOPLE, IMAGES, *SHAPE))
        self.images = images.reshape(-1, *SHAPE).astype(np.float32)

    def __len__(self):
        return len(self.labels)


class SmallData:
    """In place of `RunData`: the same mini-batches from a step on, however often."""

    def __init__(self, settings, *, region, augmentation, pairs, seed, output, opened=None):
        self.pairs, self.seed = pairs, seed
        self.region = type("Region", (), dict(zip(("height", "width", "channels"), SHAPE)))

    def open(self):
        self.training, self.held_out = Faces(1), Faces(2)

    def check(self):
        first, second = np.triu_indices(len(self.held_out), 1)
        pairs = np.stack([first, second], axis=1)
        labels = self.held_out.labels
        same = labels[first] == labels[second]
        self.tests = {"held_out": (self.held_out, pairs, same, np.arange(len(pairs)) % 3)}
        self.classified = None

    def summary(self):
        return "Training on numbers"

    def numbers(self):
        return {"images": len(self.training), "identities": PEOPLE}

    def pair_batches(self, step, ordered=None):
        rng = np.random.default_rng(self.seed)
        chosen = np.stack([rng.permutation(len(self.training))[: 2 * self.pairs] for _ in range(40)])
        chosen = chosen[step:]
        return tf.data.Dataset.from_tensor_slices(
            (self.training.images[chosen], self.training.labels[chosen])
        )

    def correlation_images(self, count):
        return [self.held_out.images[:count]]


def small_batches(faces, indices=slice(None), *, mirrored=False, **_):
    images = faces.images[indices]
    return [images[:, :, ::-1] if mirrored else images]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(building, "build_network", small_network)
    monkeypatch.setattr(stages, "RunData", SmallData)
    monkeypatch.setattr(stage_accuracy, "image_batches", small_batches)
    # Nothing is traced for a few mini-batches; what is tested does not depend on it.
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
    disable_op_determinism()


def run(folder, kind):
    keras.backend.clear_session(free_memory=False)
    experiment = Experiment.of(**COMMON, **RUNS[kind], output=str(folder))
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


def check_same(expected, found, kind):
    """Asserts that a run ended as an uninterrupted one, to the bit, and left nothing half-done."""
    for number in range(2):
        folders = [path / f"stage{number}" for path in (expected, found)]
        same_arrays(*(folder / "checkpoint.npz" for folder in folders))
        same_arrays(*(folder / "masks.npz" for folder in folders))
        same_arrays(*(folder / "scores.npz" for folder in folders))
        names = [sorted(file.name for file in folder.iterdir()) for folder in folders]
        assert names[0] == names[1]
        networks = [keras.models.load_model(folder / "model.keras") for folder in folders]
        for one, other in zip(*(network.weights for network in networks), strict=True):
            assert np.array_equal(one, other), one.path
    names = {file.name for file in found.iterdir()} - {".lock"}
    assert names == {"experiment.json", "stage0", "stage1", "table.md"}


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", RUNS)
def test_a_run_goes_on_from_every_state(kind, part, uninterrupted, tmp_path):
    expected, states = uninterrupted(kind)
    assert len(states) > 30
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
