import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from sparseface_tf.criteria import criterion
from sparseface_tf.layers import MaskedDense
from sparseface_tf.sparsify import layer_correlations, sample_mask
from sparseface_tf.supervision.verification import PairDistance
from sparseface_tf.training import callbacks
from sparseface_tf.training.callbacks import (
    CheckpointCallback,
    CorrelationMaskCallback,
    EarlyStoppingCallback,
    LogCallback,
    MarginCallback,
)
from sparseface_tf.training.checkpoint import load_checkpoint, save_checkpoint


def small_model():
    inputs = keras.Input((6, 5, 1))
    x = keras.layers.Flatten()(inputs)
    x = MaskedDense(8, activation="relu", name="f")(x)
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    model.compile(keras.optimizers.Adam(0.01, name="adam"), "mse", jit_compile=False)
    return model


IMAGES = np.random.default_rng(0).normal(size=(32, 6, 5, 1)).astype("float32")
TARGETS = np.random.default_rng(1).normal(size=(32, 2)).astype("float32")


def test_the_mask_is_drawn_from_the_model_before_training():
    model = small_model()
    correlations = layer_correlations(model, "f", IMAGES)
    expected = sample_mask(correlations, 0.25, layer_kind="dense", lam=0.6, seed=3)
    select = CorrelationMaskCallback("f", 0.25, IMAGES, lam=0.6, seed=3, progress=False)
    model.fit(IMAGES, TARGETS, epochs=2, verbose=0, callbacks=[select])
    assert np.array_equal(select.mask, expected)
    np.testing.assert_allclose(select.correlations, correlations, atol=1e-6)
    layer = model.get_layer("f")
    assert np.array_equal(np.asarray(layer.mask), expected)
    assert np.all(np.asarray(layer.kernel)[~expected] == 0)


def test_blocks_of_four():
    model = small_model()
    inputs = keras.Input((8, 4, 1))
    x = MaskedDense(8, name="f")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse", jit_compile=False)
    images = np.random.default_rng(0).normal(size=(16, 8, 4, 1))
    select = CorrelationMaskCallback("f", 0.25, images, block=4, progress=False)
    model.fit(images, np.zeros((16, 8)), verbose=0, callbacks=[select])
    runs = np.asarray(model.get_layer("f").mask).reshape(8, 4, 8)
    assert np.array_equal(runs.all(1), runs.any(1))
    assert runs.sum() == 64


def test_the_margin_parts_the_pairs():
    inputs = keras.Input((1,))
    model = keras.Model(inputs, {"f_pairs": PairDistance(5.0, name="f_pairs")(inputs)})
    # Distances of the same: 0.1, 0.3; of different ones: 0.7, 2. The best threshold is between.
    features = np.array([[0], [0.1], [1], [1.3], [0], [0.7], [0], [2.0]], "float32")
    identities = np.array([0, 0, 1, 1, 0, 1, 0, 1])
    callback = MarginCallback(lambda step: [(features, identities)], every=2)
    callback.set_model(model)
    margin = model.get_layer("f_pairs").margin
    callback.on_train_begin()
    assert 0.3 < float(margin) < 0.7
    margin.assign(9.0)
    callback.on_train_batch_end(0)
    assert float(margin) == 9.0
    callback.on_train_batch_end(1)
    assert float(margin) == pytest.approx(0.5, abs=1e-5)


def test_a_checkpoint_has_everything_that_training_changes(tmp_path):
    model = small_model()
    model.fit(IMAGES, TARGETS, batch_size=8, verbose=0, shuffle=False)
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, model, model.optimizer, step=4)
    model.fit(IMAGES, TARGETS, batch_size=8, verbose=0, shuffle=False)
    expected = [np.array(v.value) for v in model.variables]
    other = small_model()
    other.optimizer.build(other.trainable_variables)
    assert load_checkpoint(path, other, other.optimizer) == {"step": 4}
    other.fit(IMAGES, TARGETS, batch_size=8, verbose=0, shuffle=False)
    for value, variable in zip(expected, other.variables, strict=True):
        # With dropout under way: its random state was restored too.
        np.testing.assert_allclose(variable.value, value, rtol=1e-6, err_msg=variable.path)


def test_a_wrong_or_broken_checkpoint_is_told(tmp_path):
    model = small_model()
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, model, step=1)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="another network"):
        load_checkpoint(path, other)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is damaged"):
        load_checkpoint(path, model)


def test_history_goes_on_after_the_checkpoint(tmp_path):
    history = tmp_path / "history.jsonl"
    # Killed at mini-batch 6, in the middle of a line; the last checkpoint was at 4.
    history.write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st')
    model = small_model()
    log = LogCallback(str(tmp_path), "test", steps=8, images=8, every=2, start=4)
    assert log.last == {"step": 4}
    model.fit(IMAGES, TARGETS, batch_size=8, verbose=0, callbacks=[log])
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8]
    assert lines[-1]["learning_rate"] == pytest.approx(0.01)
    assert log.last == lines[-1]


def steps_of_events(folder):
    """The mini-batches that TensorBoard shows, in the order of its files."""
    steps = []
    for path in sorted(folder.glob("*tfevents*")):
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            event = tf.compat.v1.Event.FromString(record)
            steps += [event.step] * any(value.tag == "loss" for value in event.summary.value)
    return steps


def test_tensorboard_shows_each_mini_batch_once(tmp_path):
    logs = tmp_path / "logs"

    def fit(start, batches):
        log = LogCallback(str(tmp_path), "test", steps=8, images=8, every=2, start=start)
        small_model().fit(
            np.tile(IMAGES, (4, 1, 1, 1)), np.tile(TARGETS, (4, 1)), batch_size=8, verbose=0,
            steps_per_epoch=batches, callbacks=[log],
        )  # fmt: skip

    fit(0, 6)
    path, = logs.glob("*tfevents*")
    path.write_bytes(path.read_bytes()[:-3])  # a kill in the middle of the sixth's record
    assert json.loads((tmp_path / "history.jsonl").read_text().splitlines()[-1])["step"] == 6
    (logs / ".events.0123abcd.partial").write_bytes(b"of a process that was killed here")
    fit(4, 4)  # the last checkpoint was at the fourth
    assert not list(logs.glob(".*"))
    assert steps_of_events(logs) == [2, 4, 6, 8]
    assert [json.loads(line)["step"] for line in (tmp_path / "history.jsonl").open()] == [2, 4, 6, 8]


def test_checkpoints_come_by_time(tmp_path, monkeypatch):
    # A mini-batch takes 25 seconds.
    clock = iter(range(0, 10**6, 25))
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
    now, saved = [next(clock)], []

    class Passing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            now[0] = next(clock)

    monkeypatch.setattr(
        callbacks, "save_checkpoint", lambda path, *rest, step, **numbers: saved.append(step)
    )
    fit = dict(batch_size=4, verbose=0)
    for minutes, every, expected in [(1, 0, [3, 6, 8]), (0, 0, [8]), (0, 4, [4, 8]), (1, 4, [3, 4, 7, 8])]:
        saved.clear()
        save = CheckpointCallback(tmp_path / "c.npz", minutes, every)
        small_model().fit(IMAGES, TARGETS, callbacks=[Passing(), save], **fit)
        assert saved == expected


def test_the_bar_says_what_its_figures_are_of(tmp_path, monkeypatch):
    log = LogCallback(str(tmp_path), "test", steps=10, images=8, every=2, start=4, later=30)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: 20.0)
    log.step, log.start, log.began = 6, 4, 0.0  # ten seconds a mini-batch, 34 are left
    assert log._told({"loss": 1.23456, "f_identity_accuracy": 0.5}) == (
        "loss 1.235, 50.0% of training images identified, whole run: 05:40 left"
    )
    log.later = 0
    assert log._told({"loss": 1.0}) == "loss 1.000"


def stopped(folder, accuracies, steps=100, start=0, position=None):
    """Trains with early stopping every two mini-batches; the callback, kernels, checkpoints."""
    model, kernels = small_model(), []
    accuracies = iter(accuracies)

    def accuracy():
        kernels.append(np.asarray(model.get_layer("f").kernel))
        return next(accuracies)

    stop = EarlyStoppingCallback(accuracy, folder / "best.npz", 2, 3, start, position)
    save = CheckpointCallback(folder / "checkpoint.npz", 0, 2, start, stopping=stop)
    model.fit(
        np.tile(IMAGES, (100, 1, 1, 1)),
        np.tile(TARGETS, (100, 1)),
        steps_per_epoch=steps - start,
        verbose=0,
        callbacks=[stop, save],
    )
    return stop, model, kernels


def test_training_ends_where_nothing_becomes_better(tmp_path):
    # Equal is no better; the third measurement is the best, three more are waited for.
    stop, model, kernels = stopped(tmp_path, [0.5, 0.6, 0.7, 0.7, 0.6, 0.65, 0.9])
    assert stop.step == 12 and stop.done and len(kernels) == 6
    assert stop.restore(model) == {"best": 0.7, "best_step": 6}
    assert np.array_equal(np.asarray(model.get_layer("f").kernel), kernels[2])
    assert not np.array_equal(kernels[2], kernels[5])


def test_an_interrupted_wait_goes_on(tmp_path):
    stop, model, _ = stopped(tmp_path, [0.5, 0.7, 0.6], steps=6)
    assert not stop.done
    position = load_checkpoint(tmp_path / "checkpoint.npz", model, model.optimizer)
    assert (position["best"], position["best_step"], position["step"]) == (0.7, 4, 6)
    stop, model, kernels = stopped(tmp_path, [0.65, 0.6, 0.9], start=6, position=position)
    assert stop.step == 10 and len(kernels) == 2
    stop.restore(model)
    # Weights that were best once are gone.
    assert [path.name for path in tmp_path.glob("best*")] == ["best_4.npz"]
    with np.load(tmp_path / "best_4.npz") as saved:
        kernel = next(saved[name] for name in saved.files if name.endswith("f/kernel"))
    assert np.array_equal(np.asarray(model.get_layer("f").kernel), kernel)
    # A run that was killed when it was done does not begin again.
    assert EarlyStoppingCallback(None, "", 2, 3, 10, {"best": 0.7, "best_step": 4}).done
    # Nothing measured, nothing to go back to; and without patience nothing ends.
    assert EarlyStoppingCallback(None, "", 2, 3).restore(None) == {}
    assert not EarlyStoppingCallback(None, "", 2, 0, 10).done


class Unread:
    """Images of which none may be read."""

    def __iter__(self):
        raise AssertionError("an image was read")


@pytest.mark.parametrize(
    "layer, message",
    [
        (keras.layers.Dense(4, name="f"), "layer 'f' is a Dense, which has no mask: put .*MaskedDense"),
        (keras.layers.Conv2D(4, 1, name="f"), "is a Conv2D, which has no mask: put .*MaskedConv2D"),
        (
            keras.layers.SeparableConv2D(4, 1, name="f"),
            "is a SeparableConv2D, which has no mask: MaskedDense, MaskedConv2D and Masked.* have one",
        ),
        (keras.layers.ReLU(name="f"), "is a ReLU, which has no mask"),
        (MaskedDense(4, name="g"), "No such layer: f"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("kind", ["correlation", "brp"])
def test_a_layer_without_a_mask_is_refused_before_images_are_read(kind, layer, message):
    model = keras.Sequential([keras.Input((2, 2, 4)), type(layer).from_config(layer.get_config())])
    model.compile("sgd", "mse", jit_compile=False)
    select = CorrelationMaskCallback("f", 0.5, Unread(), progress=False)
    if kind == "brp":
        select = criterion("brp").callback("f", 0.5)
    x = np.zeros((2, 2, 2, 4), "float32")
    with pytest.raises(ValueError, match=message) as raised:
        model.fit(x, model.predict(x, verbose=0), verbose=0, callbacks=[select])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "density, block, message",
    [(1.5, 1, "must lie in"), (0.25, 4, "block=4 does not divide"), (0.75, 1, "choose a smaller density")],
)
def test_what_a_mask_cannot_be_is_told_before_images_are_read(density, block, message):
    model = small_model()
    layer = model.get_layer("f")
    layer.assign_mask(np.arange(240).reshape(layer.kernel.shape) % 2)
    select = CorrelationMaskCallback("f", density, Unread(), block=block, progress=False)
    with pytest.raises(ValueError, match=message):
        model.fit(IMAGES, TARGETS, verbose=0, callbacks=[select])


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_training_that_diverges_ends_and_leaves_no_checkpoint(tmp_path, what):
    model = small_model()
    log = LogCallback(tmp_path, "stage", 2, 16, every=1 if what == "loss" else 10)
    checkpoint = CheckpointCallback(tmp_path / "checkpoint.npz", every=1)
    targets = TARGETS if what == "weights" else np.full_like(TARGETS, np.inf)
    if what == "weights":
        model.get_layer("out").bias.assign([np.inf, 0])
    with pytest.raises(FloatingPointError, match=f"Training diverges: .*{what}.*--learning_rate"):
        model.fit(IMAGES, targets, batch_size=16, verbose=0, callbacks=[log, checkpoint])
    assert not (tmp_path / "checkpoint.npz").exists()
