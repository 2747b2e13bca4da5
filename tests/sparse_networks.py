"""A small sparse network that several test files export."""

import keras
import numpy as np

from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian
from sparseface_tf.recognition.calibration import Calibration
from sparseface_tf.recognition.pairs import all_pairs
from sparseface_tf.recognition.scoring import (
    COSINE,
    FILE,
    JOINT_BAYESIAN,
    Scoring,
    key_of,
    write_scorings,
)


def mask(generator, shape, density, block):
    """Keeps a share of the blocks along the inputs."""
    blocks = generator.random((*shape[:-2], -(-shape[-2] // block), shape[-1])) < density
    return np.repeat(blocks, block, -2)[..., : shape[-2], :]


def small_network(density=0.2, block=4):
    """All kinds of layers, on the whole face 24 pixels wide."""
    generator = np.random.default_rng(0)
    image = keras.Input((28, 24, 3))
    x = MaskedConv2D(8, 3, strides=2, activation="relu", name="1a")(image)
    x = MaskedConv2D(8, 3, padding="same", name="1b", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.MaxPooling2D(2)(keras.layers.ReLU()(x))
    x = MaskedLocallyConnected2D(12, 3, name="5a")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.ReLU()(x))
    x = MaskedDense(16, name="f-1")(keras.layers.Flatten()(x))
    model = keras.Model(image, x)
    for name in ("1b", "5a", "f-1"):
        layer = model.get_layer(name)
        layer.assign_mask(mask(generator, layer.kernel.shape, density, block))
        if layer.use_bias:
            layer.bias.assign(generator.standard_normal(layer.bias.shape))
    return model


def calibrated(folder):
    """The network as FOLDER/model.keras, its Joint Bayesian and calibration beside it.

    Both are learned from invented features around those of some people; returns the `Scoring`.
    """
    small_network().save(folder / "model.keras")
    embedder = open_embedder(folder)
    generator = np.random.default_rng(1)
    images = generator.uniform(-1, 1, (30, 28, 24, 3)).astype(np.float32)
    people = embedder.network.predict_on_batch(images)
    features = people + 0.1 * people.std() * generator.standard_normal((8, *people.shape))
    labels = np.tile(np.arange(30), 8)
    scorer = JointBayesian().fit(features.reshape(240, -1), labels)
    scored = all_pairs(scorer, features[:4].reshape(120, -1), labels[:120])
    found = {
        COSINE: Scoring(Cosine(), {1: Calibration.of(*scored)}),
        JOINT_BAYESIAN: Scoring(scorer, {1: Calibration.of(*scored)}),
    }
    write_scorings(folder / FILE, key_of(embedder), found)
    return found[JOINT_BAYESIAN]
