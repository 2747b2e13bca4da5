"""Runs with as small a network and as few data as can be, for tests of what happens around them.

The algorithm, its callbacks and its folder are the real ones. A few numbers are in place of faces,
three layers in place of eleven.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.training import building, stage_training, stages

SHAPE = (8, 8, 3)
PEOPLE, IMAGES = 5, 4


def small_network(name, shape, *, width, study, normalization, dropout):
    """A layer of each kind, with names of DeepID2+'s; and what the algorithm asks for besides."""
    x = image = keras.Input(shape, name="image")
    x = MaskedConv2D(4, 3, name="conv1", use_bias=normalization is False)(x)
    if normalization is not False:
        settings = {} if normalization is True else normalization
        x = keras.layers.BatchNormalization(name="conv1_normalization", **settings)(x)
    x = keras.layers.ReLU(name="conv1_relu")(x)
    x = keras.layers.MaxPooling2D(2, name="pool1")(x)
    x = MaskedLocallyConnected2D(4, 2, activation="relu", name="conv2")(x)
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

    def image_batches(self, faces, indices=slice(None), *, mirrored=False, **_):
        images = faces.images[indices]
        return [images[:, :, ::-1] if mirrored else images]


@pytest.fixture
def small_runs(monkeypatch):
    """Runs of `--network=deepid2plus` have the small network and the small data."""
    monkeypatch.setattr(building, "build_network", small_network)
    monkeypatch.setattr(stages, "RunData", SmallData)
    monkeypatch.setattr(stage_training, "_make_metrics", lambda model: None)  # saves tracing only
    # Nothing is traced for a few mini-batches; what is tested does not depend on it.
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
    disable_op_determinism()
