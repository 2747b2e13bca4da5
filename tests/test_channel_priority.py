"""Where the scales of channels start, and what pulls them into order."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.channels import ChannelPenalty, DecreasingScales

scales = st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=9)


def naive_penalty(gamma, sparsity, monotonicity):
    value = 0.0
    for k, scale in enumerate(gamma):
        value += sparsity * abs(scale)
        if k + 1 < len(gamma) and gamma[k + 1] > scale:
            value += monotonicity * (gamma[k + 1] - scale)
    return value


@pytest.mark.parametrize("channels", [1, 2, 7, 512])
def test_scales_decrease_from_1_to_a_share_of_1(channels):
    start = np.asarray(DecreasingScales()((channels,)))
    expected = [1 - (k - 1) / channels for k in range(1, channels + 1)]
    np.testing.assert_allclose(start, expected, 1e-6)
    half = np.asarray(DecreasingScales()((channels,), dtype="float16"))
    assert half.dtype == np.float16 and np.array_equal(half, start.astype("float16"))


def test_scales_are_for_vectors():
    with pytest.raises(ValueError, match="vectors"):
        DecreasingScales()((3, 4))


@examples(50)
@given(gamma=scales, sparsity=st.floats(0, 3), monotonicity=st.floats(0, 3))
def test_the_penalty_is_the_posters(gamma, sparsity, monotonicity):
    value = float(ChannelPenalty(sparsity, monotonicity)(np.array(gamma, np.float32)))
    assert value == pytest.approx(naive_penalty(gamma, sparsity, monotonicity), rel=1e-4, abs=1e-5)


@examples(25)
@given(gamma=scales, sparsity=st.floats(0, 3), monotonicity=st.floats(0, 3))
def test_the_gradient_is_that_of_finite_differences(gamma, sparsity, monotonicity):
    gamma = np.array(gamma, np.float64)
    # Not at the kinks, where there is no derivative.
    if np.abs(gamma).min() < 1e-3 or np.abs(np.diff(gamma, append=9)).min() < 1e-3:
        return
    variable = tf.Variable(gamma)
    with tf.GradientTape() as tape:
        value = ChannelPenalty(sparsity, monotonicity)(tf.convert_to_tensor(variable))
    for k, found in enumerate(tape.gradient(value, variable).numpy()):
        step = np.zeros_like(gamma)
        step[k] = 1e-5
        difference = naive_penalty(gamma + step, sparsity, monotonicity)
        difference -= naive_penalty(gamma - step, sparsity, monotonicity)
        assert found == pytest.approx(difference / 2e-5, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("weights", [(-1, 0), (0, -0.1), (float("nan"), 0)])
def test_weights_of_penalties_are_not_negative(weights):
    with pytest.raises(ValueError, match=">= 0"):
        ChannelPenalty(*weights)


def test_both_are_saved_with_a_model(tmp_path):
    image = keras.Input((4, 4, 5))
    normalise = keras.layers.BatchNormalization(
        gamma_initializer=DecreasingScales(), gamma_regularizer=ChannelPenalty(0.1, 0.2), name="n"
    )
    model = keras.Model(image, normalise(image))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").get_layer("n")
    assert isinstance(loaded.gamma_initializer, DecreasingScales)
    assert (loaded.gamma_regularizer.sparsity, loaded.gamma_regularizer.monotonicity) == (0.1, 0.2)
    assert float(sum(loaded.losses)) == pytest.approx(0.1 * 3.0)  # 1 + 0.8 + … + 0.2, no rises


def test_the_penalties_bring_channels_into_order():
    image = keras.Input((1, 1, 6))
    normalise = keras.layers.BatchNormalization(
        gamma_initializer="random_uniform", gamma_regularizer=ChannelPenalty(0.0, 1.0), name="n"
    )
    model = keras.Model(image, normalise(image))
    # A loss that says nothing about the scales.
    model.compile(keras.optimizers.SGD(1e-2), lambda y, p: 0 * p[:, 0, 0, 0], jit_compile=False)
    before = np.asarray(normalise.gamma)
    model.fit(np.zeros((200, 1, 1, 6)), np.zeros(200), batch_size=1, verbose=0)
    after = np.asarray(normalise.gamma)
    assert (np.diff(before) > 0.02).any() and not (np.diff(after) > 0.02).any()
