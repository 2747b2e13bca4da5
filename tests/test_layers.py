import keras
import numpy as np
import pytest
import tf_keras
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.constraints import MaskConstraint
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D

# One of each layer, with the shape of its input.
LAYERS = {
    "dense": (lambda **k: MaskedDense(6, activation="relu", **k), (10,)),
    "conv": (lambda **k: MaskedConv2D(4, 3, padding="same", **k), (6, 5, 3)),
    "conv_strided": (
        lambda **k: MaskedConv2D(4, (3, 2), strides=2, dilation_rate=1, use_bias=False, **k),
        (7, 8, 3),
    ),
    "conv_groups": (lambda **k: MaskedConv2D(4, 3, groups=2, **k), (6, 5, 4)),
    "local": (lambda **k: MaskedLocallyConnected2D(4, 3, activation="relu", **k), (6, 5, 3)),
    "local_same": (
        lambda **k: MaskedLocallyConnected2D(
            2, (2, 3), strides=(2, 1), padding="same", use_bias=False, **k
        ),
        (5, 4, 3),
    ),
}


def one_layer_model(kind, **kwargs):
    make, shape = LAYERS[kind]
    layer = make(name="masked", **kwargs)
    return keras.Sequential([keras.Input(shape), layer, keras.layers.Flatten()]), layer


def images(kind, count=8):
    return np.random.default_rng(1).normal(size=(count, *LAYERS[kind][1])).astype("float32")


def random_mask(layer, density=0.4):
    return np.random.default_rng(2).random(layer.kernel.shape) < density


def naive_locally_connected(x, kernel, bias, strides, padding):
    out_height, out_width, kernel_height, kernel_width, _, filters = kernel.shape
    if padding == "same":
        pads = []
        for size, out, stride, window in zip(
            x.shape[1:3], (out_height, out_width), strides, (kernel_height, kernel_width)
        ):
            total = max((out - 1) * stride + window - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    y = np.zeros((len(x), out_height, out_width, filters))
    for n in range(len(x)):
        for i in range(out_height):
            for j in range(out_width):
                top, left = i * strides[0], j * strides[1]
                window = x[n, top : top + kernel_height, left : left + kernel_width]
                for f in range(filters):
                    y[n, i, j, f] = np.sum(window * kernel[i, j, ..., f]) + bias[i, j, f]
    return y


@examples(25)
@given(
    height=st.integers(3, 7),
    width=st.integers(3, 7),
    channels=st.integers(1, 3),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["valid", "same"]),
)
def test_locally_connected_is_the_naive_loop(height, width, channels, window, strides, padding):
    layer = MaskedLocallyConnected2D(
        2, window, strides, padding, bias_initializer="random_normal"
    )
    x = np.random.default_rng(0).normal(size=(2, height, width, channels)).astype("float32")
    y = np.asarray(layer(x))
    assert y.shape == tuple(layer.compute_output_shape(x.shape))
    # The size Keras gives a convolution of the same geometry.
    convolution = keras.layers.Conv2D(2, window, strides, padding)
    assert y.shape == tuple(convolution.compute_output_shape(x.shape))
    expected = naive_locally_connected(
        x, np.asarray(layer.kernel), np.asarray(layer.bias), strides, padding
    )
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window, strides", [((3, 3), (1, 1)), ((2, 3), (2, 1))])
def test_locally_connected_is_keras_2s(window, strides):
    theirs = tf_keras.layers.LocallyConnected2D(5, window, strides=strides)
    ours = MaskedLocallyConnected2D(5, window, strides=strides)
    x = np.random.default_rng(0).normal(size=(3, 7, 6, 4)).astype("float32")
    ours.build(x.shape)
    ours.bias.assign(np.random.default_rng(1).normal(size=ours.bias.shape))
    theirs.build(x.shape)
    positions = ours.kernel.shape[0] * ours.kernel.shape[1]
    theirs.set_weights(
        [np.reshape(ours.kernel, (positions, -1, 5)), np.asarray(ours.bias)]
    )
    np.testing.assert_allclose(ours(x), theirs(x).numpy(), rtol=1e-4, atol=1e-5)


def test_locally_connected_with_equal_positions_is_a_convolution():
    convolution = keras.layers.Conv2D(3, 3, padding="same")
    local = MaskedLocallyConnected2D(3, 3, padding="same")
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("float32")
    convolution.build(x.shape)
    local.build(x.shape)
    local.kernel.assign(np.broadcast_to(convolution.kernel, local.kernel.shape))
    np.testing.assert_allclose(local(x), convolution(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("initializer", ["he_normal", "glorot_uniform", "lecun_normal"])
def test_locally_connected_starts_like_a_convolution(initializer):
    local = MaskedLocallyConnected2D(32, 3, kernel_initializer=initializer)
    local.build((None, 8, 8, 16))
    convolution = keras.layers.Conv2D(32, 3, kernel_initializer=initializer)
    convolution.build((None, 8, 8, 16))
    assert np.std(local.kernel) == pytest.approx(np.std(convolution.kernel), rel=0.05)
    # Positions start differently.
    assert not np.allclose(local.kernel[0, 0], local.kernel[0, 1])


@pytest.mark.parametrize("kind", LAYERS)
def test_a_mask_drops_weights_at_once(kind):
    model, layer = one_layer_model(kind)
    assert layer.density == 1.0
    mask = random_mask(layer)
    layer.assign_mask(mask)
    assert layer.density == mask.mean()
    assert np.array_equal(np.asarray(layer.kernel) != 0, mask)


@pytest.mark.parametrize("kind", LAYERS)
def test_momentum_does_not_revive_dropped_weights(kind):
    model, layer = one_layer_model(kind)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", jit_compile=False)
    x = images(kind)
    y = np.random.default_rng(3).normal(size=(8, *model.output_shape[1:]))
    # Momentum first, while all weights are there.
    model.fit(x, y, verbose=0)
    mask = random_mask(layer)
    layer.assign_mask(mask)
    before = np.array(layer.kernel)
    model.fit(x, y, epochs=3, verbose=0)
    after = np.asarray(layer.kernel)
    assert np.all(after[~mask] == 0)
    assert np.any(after[mask] != before[mask])


def test_training_with_the_constraint_is_multiplying_before_the_forward_pass():
    """The paper's algorithm (Table 2), step by step, gives the same kept weights."""
    model, layer = one_layer_model("dense")
    x, y = images("dense"), np.random.default_rng(3).normal(size=(8, 6)).astype("float32")
    mask = random_mask(layer)
    weights, bias = np.array(layer.kernel, "float64"), np.zeros(6)
    layer.assign_mask(mask)
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    model.fit(x, y, batch_size=8, epochs=5, verbose=0)
    for _ in range(5):
        weights = weights * mask
        z = x @ weights + bias
        grad = 2 * (np.maximum(z, 0) - y) * (z > 0) / y.size
        weights, bias = weights - 0.1 * x.T @ grad, bias - 0.1 * grad.sum(0)
    np.testing.assert_allclose(layer.kernel, weights * mask, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_save_and_load(kind, policy, tmp_path):
    model, layer = one_layer_model(kind, dtype=policy)
    layer.assign_mask(random_mask(layer))
    model.compile("adam", "mse", jit_compile=False)
    x = images(kind)
    y = np.zeros((8, *model.output_shape[1:]))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for saved, restored in zip(model.weights, loaded.weights, strict=True):
        assert np.array_equal(saved, restored), saved.path
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    # And it goes on being sparse.
    loaded.fit(x, y, verbose=0)
    other = loaded.get_layer("masked")
    assert other.density == layer.density
    assert np.all(np.asarray(other.kernel)[~np.asarray(layer.mask)] == 0)


@pytest.mark.parametrize("kind", LAYERS)
def test_config_round_trip(kind):
    make, shape = LAYERS[kind]
    layer = make(name="masked", kernel_regularizer="l2", kernel_constraint="non_neg")
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


def test_a_constraint_of_the_users_own_holds_too():
    layer = MaskedDense(3, kernel_constraint="non_neg")
    layer.build((None, 4))
    constraint = layer.kernel.constraint
    assert isinstance(constraint, MaskConstraint)
    layer.assign_mask(np.eye(4, 3))
    constrained = np.asarray(constraint(np.full((4, 3), -1.0, "float32")))
    assert np.all(constrained == 0)


def test_what_is_dropped_is_zero_even_if_it_was_not_finite():
    constraint = MaskConstraint(np.array([[True, False]]))
    assert np.array_equal(constraint(np.array([[2.0, np.nan]], "float32")), [[2, 0]])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MaskedLocallyConnected2D(2, 3, padding="causal"), "padding"),
        (lambda: MaskedLocallyConnected2D(0, 3), "filters"),
        (lambda: MaskedLocallyConnected2D(2, (3, 0)), "kernel_size"),
        (lambda: MaskedLocallyConnected2D(2, 3).build((None, None, 5, 1)), "must be known"),
        (lambda: MaskedLocallyConnected2D(2, 3).build((None, 2, 5, 1)), "does not fit"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_mask_of_another_shape_is_refused():
    layer = MaskedDense(3)
    layer.build((None, 4))
    with pytest.raises(ValueError, match=r"kernel's shape \(4, 3\), got \(3, 4\)"):
        layer.assign_mask(np.ones((3, 4)))


def masked_in_training(optimizer, callbacks=()):
    """A masked layer that was trained, lost weights, and was trained again; and its mask."""
    model, layer = one_layer_model("dense")
    model.compile(optimizer, "mse", jit_compile=False)
    x, y = images("dense"), np.ones((8, 6), "float32")
    model.fit(x, y, verbose=0)
    mask = random_mask(layer)
    layer.assign_mask(mask)
    model.fit(x, y, epochs=2, batch_size=4, verbose=0, callbacks=[*callbacks])
    return layer, mask


@pytest.mark.parametrize("settings", [{}, {"ema_overwrite_frequency": 3}], ids=str)
def test_averaging_the_weights_does_not_revive_dropped_ones(settings):
    layer, mask = masked_in_training(keras.optimizers.Adam(0.1, use_ema=True, **settings))
    kernel = np.asarray(layer.kernel)
    assert not kernel[~mask].any() and kernel[mask].all()


def test_averages_that_are_swapped_in_for_a_test_are_masked_too():
    class Seen(keras.callbacks.Callback):
        kernels = []

        def on_epoch_end(self, epoch, logs=None):
            self.kernels.append(np.array(self.model.get_layer("masked").kernel))

    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    layer, mask = masked_in_training(keras.optimizers.SGD(0.1, use_ema=True), [swap, Seen()])
    kernels = [*Seen.kernels, np.asarray(layer.kernel)]
    assert len(kernels) == 3
    for kernel in kernels:
        assert not kernel[~mask].any() and kernel[mask].all()


def test_averages_of_float16_training_are_masked_too():
    inner = keras.optimizers.Adam(0.1, use_ema=True)
    layer, mask = masked_in_training(keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0))
    kernel = np.asarray(layer.kernel)
    assert not kernel[~mask].any() and kernel[mask].all()


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_lora_is_refused(kind):
    make, shape = LAYERS[kind]
    layer = make(name="masked")
    layer.build((None, *shape))
    with pytest.raises(ValueError, match="Layer 'masked' has a mask, and LoRA would add"):
        layer.enable_lora(2)
    with pytest.raises(ValueError, match="has a mask, and LoRA would add"):
        make(lora_rank=2).build((None, *shape))
    assert len(layer.trainable_variables) == 2
