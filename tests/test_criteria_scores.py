"""Scores against their formulas in loops, and pruning while training goes on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from sparseface_tf.criteria import MaskCallback, criterion
from sparseface_tf.criteria.brp import BayesianPruning, BayesianPruningCallback
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.sparsify import layer_correlations, layer_geometry, sample_mask
from sparseface_tf.training.callbacks import CorrelationMaskCallback
from sparseface_tf.training.checkpoint import load_checkpoint, save_checkpoint

IMAGES = np.random.default_rng(0).normal(size=(10, 6, 5, 2)).astype("float32")
CLASSES = np.arange(10) % 3


def small_model(**kwargs):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            MaskedConv2D(3, 3, padding="same", strides=(1, 2), activation="relu", name="conv"),
            MaskedLocallyConnected2D(4, 2, name="local"),
            layers.ReLU(),
            layers.Flatten(),
            MaskedDense(12, activation="relu", name="dense"),
            layers.Dense(3, name="classes"),
        ],
        name="small",
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, name="adam"), loss, jit_compile=False)
    return model


@pytest.mark.parametrize("name", ["conv", "local", "dense"])
def test_wanda_is_magnitude_times_the_norm_of_the_input(name):
    model = small_model()
    layer = model.get_layer(name)
    inputs = keras.Model(model.inputs, layer.input).predict(IMAGES, verbose=0)
    geometry = layer_geometry(layer)
    inputs = inputs.reshape(-1, *geometry.inputs)
    squares = np.zeros((1, 1, *layer.kernel.shape) if name == "dense" else layer.kernel.shape)
    for y, x in np.ndindex(*geometry.outputs[:2]):
        for dy, dx, c in np.ndindex(*geometry.window, geometry.inputs[2]):
            y_in = y * geometry.strides[0] + dy - geometry.pad[0]
            x_in = x * geometry.strides[1] + dx - geometry.pad[1]
            if 0 <= y_in < inputs.shape[1] and 0 <= x_in < inputs.shape[2]:
                at = (y, x, dy, dx, c) if name == "local" else (dy, dx, c)
                squares[at] += np.square(inputs[:, y_in, x_in, c].astype(float)).sum()
    expected = np.abs(np.asarray(layer.kernel)) * np.sqrt(squares.reshape(layer.kernel.shape))
    wanda = criterion("wanda")
    for batches in (IMAGES, [IMAGES[:3], IMAGES[3:]], [(IMAGES, CLASSES)]):
        np.testing.assert_allclose(wanda.scores(model, name, batches), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["conv", "local", "dense"])
def test_taylor_is_the_mean_of_gradient_times_weight(name):
    model = small_model()
    batches = [(IMAGES[:4], CLASSES[:4]), (IMAGES[4:8], CLASSES[4:8])]
    kernel = model.get_layer(name).kernel
    weights, expected = np.array(kernel), 0
    for images, classes in batches:
        with tf.GradientTape() as tape:
            logits = model(images, training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
            loss = tf.reduce_mean(losses)
        expected = expected + np.abs(tape.gradient(loss, kernel.value).numpy() * weights) / 2
    scores = criterion("taylor").scores(model, name, batches)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-9)
    # It is what the loss changes by, in the first order.
    index = np.unravel_index(np.argmax(scores), scores.shape)
    one = criterion("taylor").scores(model, name, batches[:1])[index]
    before = model.evaluate(*batches[0], batch_size=4, verbose=0)
    weights[index] *= 0.999
    kernel.assign(weights)
    after = model.evaluate(*batches[0], batch_size=4, verbose=0)
    assert abs(after - before) / 0.001 == pytest.approx(one, rel=0.1, abs=1e-3)


@pytest.mark.parametrize("text", ["magnitude", "random", "wanda", "taylor", "obd", "correlation"])
def test_the_callback_sparsifies_as_fit_begins(text):
    model = small_model()
    chosen = criterion(text)
    batches = [(IMAGES, CLASSES)] if chosen.images == "training" else IMAGES
    expected = chosen.mask(model, "dense", 1 / 8, batches, seed=2)
    called = []
    callback = chosen.callback(
        "dense", 1 / 8, batches, done=called.append, seed=2, progress=False, steps=2
    )
    assert isinstance(callback, MaskCallback)
    model.fit(IMAGES, CLASSES, epochs=2, verbose=0, callbacks=[callback])
    layer = model.get_layer("dense")
    np.testing.assert_array_equal(np.asarray(layer.mask), expected)
    assert called == [callback] and callback.mask.sum() == round(layer.mask.shape[0] * 12 / 8)
    assert np.all(np.asarray(layer.kernel)[~expected] == 0)


def test_the_correlation_callback_is_the_criterion():
    model = small_model()
    callback = CorrelationMaskCallback("dense", 1 / 8, IMAGES, lam=1, seed=3, progress=False)
    correlations = layer_correlations(model, "dense", IMAGES)
    model.fit(IMAGES, CLASSES, verbose=0, callbacks=[callback])
    np.testing.assert_array_equal(
        callback.mask, sample_mask(correlations, 1 / 8, layer_kind="dense", lam=1, seed=3)
    )
    np.testing.assert_allclose(callback.correlations, correlations, atol=1e-6)


def masks_of_a_fit(model, callback, steps=40):
    """Masks of the dense layer after each mini-batch."""
    masks = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: masks.append(
            np.array(model.get_layer("dense").mask)
        )
    )
    data = tf.data.Dataset.from_tensors((IMAGES, CLASSES)).repeat()
    model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[callback, note])
    return masks


def test_brp_zeroes_for_good_what_is_under_a_tenth_of_the_mean(monkeypatch):
    model = small_model()
    layer = model.get_layer("dense")
    zeroed = []
    assign_mask = layer.assign_mask

    def noted(mask):
        before, kernel = np.array(layer.mask), np.abs(np.array(layer.kernel))
        zeroed.append((before, kernel, mask))
        assign_mask(mask)

    # Keras tracks what is assigned to a layer, but not this.
    monkeypatch.setattr(type(layer), "assign_mask", lambda self, mask: noted(mask))
    brp = BayesianPruning(strength=0.02, rounds=10, share=0.5)
    called = []
    callback = brp.callback("dense", 1 / 16, done=called.append, steps=40, progress=False)
    assert isinstance(callback, BayesianPruningCallback)
    masks = masks_of_a_fit(model, callback)
    number = round(layer.kernel.shape[0] * 12 / 16)
    assert called == [callback] and masks[-1].sum() == number
    assert len(zeroed) <= 10
    for step, (before, kernel, after) in enumerate(zeroed):
        assert not (after & ~before).any()
        small = before & (kernel < 0.1 * kernel[before].mean())
        if after.sum() > number:
            np.testing.assert_array_equal(after, before & ~small)
        else:
            # The last round, or one that would have gone too far.
            assert kernel[before & ~after].max() <= kernel[after].min()
            expected = max((before & ~small).sum() - number, 0)
            assert callback.forced == expected
    assert sum(after.sum() < before.sum() for before, _, after in zeroed) > 2
    # After every second mini-batch of the first half, and then no more.
    counts = [mask.sum() for mask in masks]
    assert counts[0] == layer.mask.shape[0] * 12 and counts[19] == number
    assert all(later <= earlier for earlier, later in zip(counts, counts[1:]))
    assert layer.kernel.regularizer is None
    assert np.all(np.asarray(layer.kernel)[~masks[-1]] == 0)


def test_brp_pulls_with_a_force_that_knows_no_scale():
    for scale in (1.0, 100.0):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, MaskedDense(3, use_bias=False, name="dense")(inputs))
        kernel = scale * np.random.default_rng(0).normal(size=(4, 3))
        kernel[0] = 0
        model.get_layer("dense").kernel.assign(kernel)
        model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
        callback = BayesianPruningCallback(
            BayesianPruning(strength=0.01, share=1.0), "dense", 0.1, steps=100
        )
        x = np.zeros((2, 4), "float32")
        history = model.fit(x, np.zeros((2, 3)), batch_size=2, verbose=0, callbacks=[callback])
        # The loss does not depend on the weights: what moves them is the regularisation alone.
        mean = np.abs(kernel[1:]).mean()
        pulled = kernel - np.sign(kernel) * 0.01 / mean
        moved = np.asarray(model.get_layer("dense").kernel)
        kept = moved != 0
        np.testing.assert_allclose(moved[kept], pulled[kept], rtol=1e-4)
        assert kept.sum() >= 6 and history.history["loss"][-1] == pytest.approx(0, abs=1e-6)


def test_brp_goes_on_from_a_checkpoint(tmp_path):
    brp = BayesianPruning(strength=0.02, rounds=10, share=1.0)
    whole = small_model()
    expected = masks_of_a_fit(whole, brp.callback("dense", 1 / 16, steps=12), steps=12)
    first = small_model()
    masks_of_a_fit(first, brp.callback("dense", 1 / 16, steps=12), steps=7)
    assert first.get_layer("dense").kernel.regularizer is None
    save_checkpoint(tmp_path / "c.npz", first, first.optimizer)
    second = small_model()
    second.optimizer.build(second.trainable_variables)
    load_checkpoint(tmp_path / "c.npz", second, second.optimizer)
    masks = masks_of_a_fit(second, brp.callback("dense", 1 / 16, steps=12, start=7), steps=5)
    np.testing.assert_array_equal(masks, expected[7:])
    assert masks[0].sum() > masks[-1].sum() == round(masks[0].size / 16)
    # Nothing is left to do in a run that goes on from there.
    more = masks_of_a_fit(second, brp.callback("dense", 1 / 16, steps=12, start=12), steps=1)
    np.testing.assert_array_equal(more[-1], masks[-1])


def test_brp_with_too_few_weights_left():
    model = small_model()
    layer = model.get_layer("dense")
    layer.assign_mask(np.random.default_rng(0).random(layer.kernel.shape) < 0.1)
    with pytest.raises(ValueError, match="are to be kept and the layer's mask has"):
        model.fit(IMAGES, CLASSES, verbose=0, callbacks=[criterion("brp").callback("dense", 0.5)])
