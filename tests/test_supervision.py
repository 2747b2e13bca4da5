import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.networks import baseline_network, deepid2plus_network
from sparseface_tf.supervision.signals import signals, supervise, targets
from sparseface_tf.supervision.verification import PairDistance, VerificationLoss
from sparseface_tf.training.schedules import SmoothDecay


@examples(25)
@given(
    pairs=st.integers(1, 8),
    size=st.integers(1, 5),
    margin=st.floats(0, 5, width=32),
    seed=st.integers(0, 99),
)
def test_verification_loss_is_deepid2s(pairs, size, margin, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2 * pairs, size)).astype("float32")
    identities = rng.integers(0, 2, 2 * pairs)
    outputs = PairDistance(margin)(features)
    loss = VerificationLoss(reduction=None)(identities, outputs)
    assert loss.shape == (pairs,)
    for i in range(pairs):
        a, b = 2 * i, 2 * i + 1
        distance = np.sqrt(np.sum((features[a].astype(float) - features[b]) ** 2))
        if identities[a] == identities[b]:
            expected = distance**2 / 2
        else:
            expected = max(0, margin - distance) ** 2 / 2
        assert float(loss[i]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_equal_features_have_a_finite_gradient():
    features = tf.Variable(np.zeros((2, 3), "float32"))
    layer, loss = PairDistance(1.0), VerificationLoss()
    with tf.GradientTape() as tape:
        value = loss(np.array([0, 1]), layer(features))
    assert np.isfinite(tape.gradient(value, features).numpy()).all()


def test_the_margin_is_saved_with_the_model(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, PairDistance(2.0, name="pairs")(inputs))
    model.get_layer("pairs").margin.assign(7.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.get_layer("pairs").margin) == 7.0
    assert loaded.get_layer("pairs").initial_margin == 2.0


def supervised(**kwargs):
    network = baseline_network((56, 48, 3), 0.125, study=True)
    return network, supervise(network, 10, **kwargs)


def test_branches_are_no_part_of_the_embedding():
    network, model = supervised(branches=("pool2", "pool4"))
    assert set(model.output_names) == {
        f"{name}_{kind}" for name in ("f", "pool2", "pool4") for kind in ("identity", "pairs")
    }
    assert not any("branch" in layer.name for layer in network.layers)
    assert network.output_shape == (None, 64)
    # The branch of a large stage is averaged down before its full connection.
    assert model.get_layer("pool2_average").output.shape[1:3] == (7, 6)


def test_total_is_deepid2s_of_every_pair_by_image():
    network, model = supervised(branches=("pool3",), margin=3.0)
    model.compile("sgd", **signals(model, verification_weight=0.1, branch_weight=0.5))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(8, 56, 48, 3)).astype("float32")
    identities = np.array([0, 0, 1, 2, 3, 3, 4, 5])
    outputs = model.predict(images, batch_size=8, verbose=0)
    expected = 0
    for name, weight in (("f", 1.0), ("pool3", 0.5)):
        logits = outputs[f"{name}_identity"].astype(float)
        identification = np.log(np.exp(logits).sum(1)) - logits[np.arange(8), identities]
        # DeepID2's Algorithm 1: a pair of images at a time.
        for i, (distance, margin) in enumerate(outputs[f"{name}_pairs"]):
            a, b = 2 * i, 2 * i + 1
            same = identities[a] == identities[b]
            verification = (distance**2 if same else max(0, margin - distance) ** 2) / 2
            pair = identification[a] + identification[b] + 0.1 * verification
            expected += weight * pair / len(images)
    _, y = targets(model)(images, identities)
    measured = model.evaluate(images, y, batch_size=8, verbose=0, return_dict=True)
    assert measured["loss"] == pytest.approx(expected, rel=1e-4)
    assert "f_identity_accuracy" in measured


def test_every_branch_trains():
    network, model = supervised()
    model.compile("adam", jit_compile=False, **signals(model))
    images = np.random.default_rng(0).normal(size=(8, 56, 48, 3)).astype("float32")
    before = [np.array(v) for v in model.trainable_variables]
    # Twice: the classifiers begin at zero and pass nothing on the first time.
    x, y = targets(model)(images, np.arange(8) // 2)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for old, new in zip(before, model.trainable_variables):
        assert not np.array_equal(old, new), new.path


def test_deepid2plus_is_supervised_on_every_stage():
    network = deepid2plus_network(width=0.125)
    model = supervise(network, 10, branches=("pool1", "pool2", "pool3", "conv4_relu"))
    stages = ("f", "pool1", "pool2", "pool3", "conv4_relu")
    assert set(model.output_names) == {f"{s}_{kind}" for s in stages for kind in ("identity", "pairs")}
    for stage in stages[1:]:
        assert model.get_layer(f"{stage}_branch").units == network.output_shape[1] == 64
    assert not any("branch" in layer.name for layer in network.layers)
    model.compile("adam", jit_compile=False, **signals(model))
    images = np.random.default_rng(0).normal(size=(8, 55, 47, 3)).astype("float32")
    before = [np.array(v) for v in model.trainable_variables]
    x, y = targets(model)(images, np.arange(8) // 2)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for old, new in zip(before, model.trainable_variables):
        assert not np.array_equal(old, new), new.path


def test_unknown_branch():
    with pytest.raises(ValueError, match="No layer 'pool9'.*pool2, pool3, pool4"):
        supervised(branches=("pool9",))


def test_smooth_decay_is_the_papers():
    schedule = SmoothDecay(0.01, 0.67, 140_000, finetune_from=140_000)
    assert float(schedule(0)) == pytest.approx(0.01)
    assert float(schedule(139_999)) == pytest.approx(0.0067, rel=1e-3)
    assert float(schedule(140_000)) == pytest.approx(0.00067, rel=1e-3)
    # Twice as fast in a re-training, the last 10,000 of 70,000 at a tenth.
    retraining = SmoothDecay(0.01, 0.67, 70_000, finetune_from=60_000)
    assert float(retraining(35_000)) == pytest.approx(float(schedule(70_000)), rel=1e-5)
    assert float(retraining(60_000)) == pytest.approx(0.1 * float(schedule(120_000)), rel=1e-5)
    copy = SmoothDecay.from_config(schedule.get_config())
    assert float(copy(1000)) == float(schedule(1000))
