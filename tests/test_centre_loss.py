"""The centre loss, and naming the nearest centre."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparseface_tf.matching.nearest_centre import NearestCentre
from sparseface_tf.supervision.centre_loss import CentreLoss, ClassCentres


def naive(features, identities, centres, rate):
    """Losses, and the centres afterwards, in loops."""
    losses = []
    for x, y in zip(features, identities):
        losses.append(sum((x - centres[y]) ** 2) / 2)
    moved = centres.copy()
    for j in range(len(centres)):
        difference, images = np.zeros(centres.shape[1]), 0
        for x, y in zip(features, identities):
            if y == j:
                difference += centres[j] - x
                images += 1
        moved[j] = centres[j] - rate * difference / (1 + images)
    return losses, moved


@examples(20)
@given(
    images=st.integers(1, 7),
    identities=st.integers(1, 5),
    size=st.integers(1, 4),
    rate=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_the_loss_and_the_centres_are_wens(images, identities, size, rate, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(images, size)).astype("float32")
    labels = rng.integers(0, identities, images)
    centres = rng.normal(size=(identities, size)).astype("float32")
    layer = ClassCentres(identities, rate)
    layer.build(features.shape)
    layer.centres.assign(centres)
    loss = CentreLoss(layer, reduction=None)
    # When it is only used nothing moves.
    expected, moved = naive(features, labels, centres, rate)
    np.testing.assert_allclose(loss(labels, layer(features)), expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(layer.centres, centres)
    np.testing.assert_allclose(
        loss(labels[:, None], layer(features, training=True)), expected, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(layer.centres, moved, rtol=1e-4, atol=1e-5)


def test_the_gradient_draws_features_to_their_centres():
    layer = ClassCentres(3, 0.5)
    features = tf.Variable(np.arange(8, dtype="float32").reshape(4, 2))
    layer.build(features.shape)
    layer.centres.assign([[1, 1], [2, 2], [3, 3]])
    with tf.GradientTape() as tape:
        value = CentreLoss(layer)([0, 2, 2, 1], layer(features, training=True))
    centres = np.array([[1, 1], [3, 3], [3, 3], [2, 2]])
    expected = (np.arange(8).reshape(4, 2) - centres) / 4
    np.testing.assert_allclose(tape.gradient(value, features), expected, rtol=1e-6)


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_rates_are_shares(rate):
    with pytest.raises(ValueError, match="rate of the centres"):
        ClassCentres(3, rate)


def test_in_plain_fit_centres_move_as_in_a_loop_and_are_saved(tmp_path):
    image = keras.Input((2,))
    centre = ClassCentres(3, 0.25, name="centre")
    model = keras.Model(image, centre(image))
    model.compile("sgd", loss=CentreLoss(centre), jit_compile=False)
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(12, 2)).astype("float32"), rng.integers(0, 3, 12)
    expected = np.zeros((3, 2))
    for start in range(0, 12, 4):
        part = slice(start, start + 4)
        _, expected = naive(features[part], labels[part], expected, 0.25)
    model.fit(features, labels, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(centre.centres, expected, rtol=1e-5)
    model.evaluate(features, labels, verbose=0)
    np.testing.assert_allclose(centre.centres, expected, rtol=1e-5)
    assert not model.trainable_variables
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False).get_layer("centre")
    assert np.array_equal(loaded.centres, centre.centres) and loaded.rate == 0.25


@parametrize_with_checks([NearestCentre()])
def test_the_classifier_is_an_estimator(estimator, check):
    check(estimator)


@examples(20)
@given(classes=st.integers(2, 4), size=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_nearest_centre_is_that_of_loops(classes, size, seed):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 6)])
    X, probes = rng.normal(size=(len(labels), size)), rng.normal(size=(5, size))
    names = np.array(["d", "a", "c", "b"])[labels]
    found = NearestCentre().fit(X, names).predict(probes)
    for probe, name in zip(probes, found):
        cosines = {}
        for each in np.unique(names):
            centre = sum(x for x, other in zip(X, names) if other == each) / sum(names == each)
            cosines[each] = probe @ centre / np.sqrt((probe @ probe) * (centre @ centre))
        # Equal ones differ by rounding alone.
        assert cosines[name] > max(cosines.values()) - 1e-9
