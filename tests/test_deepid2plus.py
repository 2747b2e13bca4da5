"""DeepID2+ sparsified: correlations of its layers, and a run."""

import keras
import numpy as np
import pytest

from pipelines.files import read_json
from sparseface_tf.networks import DEEPID2PLUS_LAYERS, deepid2plus_network
from sparseface_tf.sparsify import layer_correlations, layer_kind, load_masks, sample_mask
from sparseface_tf.supervision.signals import supervise
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.stages import Stages


@pytest.fixture
def network():
    return deepid2plus_network((31, 31, 3), width=0.0625)


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(40, 31, 31, 3)).astype("float32")


def outputs(network, images, *names):
    model = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    return [np.asarray(x, float) for x in model(images)]


def pearson(a, b):
    """0 where either does not vary."""
    if a.std() < 1e-7 or b.std() < 1e-7:
        return 0.0
    return np.corrcoef(a, b)[0, 1]


def test_correlations_of_f_are_with_both_stages(network, images):
    # In the training model, where pool3 has a branch as a reader too.
    model = supervise(network, 4, branches=("pool1", "pool2", "pool3"))
    correlations = layer_correlations(model, "f", images)
    third, fourth, f = outputs(network, images, "pool3", "conv4_relu", "f_relu")
    maps = third.shape[-1]
    inputs = [third[:, y, x, c] for y in range(2) for x in range(2) for c in range(maps)]
    inputs += [fourth[:, 0, 0, c] for c in range(maps)]
    assert correlations.shape == (5 * maps, f.shape[1])
    for k, values in enumerate(inputs):
        for unit in range(f.shape[1]):
            expected = pearson(values, f[:, unit])
            assert correlations[k, unit] == pytest.approx(expected, abs=1e-4)
    # Neither stage is passed over.
    assert np.abs(correlations[: 4 * maps]).max() > 0.1
    assert np.abs(correlations[4 * maps :]).max() > 0.1


def test_correlations_of_a_convolution(network, images):
    model = supervise(network, 4, branches=("pool3",))
    correlations = layer_correlations(model, "conv4", images)
    seen, answer = outputs(network, images, "pool3", "conv4_relu")
    for y in range(2):
        for x in range(2):
            for k in range(seen.shape[-1]):
                for unit in range(answer.shape[-1]):
                    expected = abs(pearson(seen[:, y, x, k], answer[:, 0, 0, unit]))
                    assert correlations[y, x, k, unit] == pytest.approx(expected, abs=1e-4)


def test_every_layer_can_be_sparsified(network, images):
    for name in DEEPID2PLUS_LAYERS:
        layer = network.get_layer(name)
        correlations = layer_correlations(network, name, images)
        mask = sample_mask(correlations, 1 / 4, layer_kind=layer_kind(layer))
        layer.assign_mask(mask)
        assert np.count_nonzero(mask) == round(mask.size / 4)
        assert layer.density == np.count_nonzero(mask) / mask.size
    assert np.isfinite(network.predict(images, verbose=0)).all()


def test_a_run_with_a_margin_softmax(tmp_path):
    stages = Stages(Experiment.of(
        network="deepid2plus", width_multiplier=0.0625, branches=["pool3"], margin="1",
        identification="arcface", softmax_scale=16.0, softmax_margin=0.2,
        identities=8, images_per_identity=4, held_out=3, held_out_pairs=36, pairs=4,
        sparsify=["1/2-conv4"], steps=2, retrain_steps=2, correlation_images=12,
        precision="float32", output=str(tmp_path),
    ))  # fmt: skip
    with stages:
        stages.prepare()
        assert stages.network.input_shape == (None, 55, 47, 3)
        stages.run()
    metrics = read_json(tmp_path / "stage1" / "metrics.json")
    assert list(metrics["layers"]) == list(DEEPID2PLUS_LAYERS)
    assert metrics["layers"]["conv4"]["density"] == 0.5
    assert set(load_masks(tmp_path / "stage1" / "masks.npz")) == {"conv4"}
    assert metrics["mean_abs_correlation"]["layer"] == "conv4"
    for loss in ("f_identity_loss", "pool3_identity_loss"):
        # From equal cosines, scale 16 and five identities: never below log 5 at the start.
        assert metrics["last"][loss] > 1
    directions = stages.model.get_layer("f_identity").kernel
    assert np.ptp(np.asarray(directions), axis=1).max() > 0
    assert keras.models.load_model(tmp_path / "stage1" / "model.keras").output_shape == (None, 32)
