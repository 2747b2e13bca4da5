"""Optimal Brain Damage against the exact Hessian, and squared gradients against loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from properties import examples

from sparseface_tf.criteria import criterion
from sparseface_tf.criteria.curvature import loss_roots
from sparseface_tf.criteria.gradients import images_at_once, squared_gradients
from sparseface_tf.criteria.obd import hessian_diagonal
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.sparsify import layer_geometry
from sparseface_tf.sparsify.geometry import LayerGeometry
from sparseface_tf.supervision.signals import signals, supervise

CLASSES, FEATURES = 3, 4
IDENTITIES = np.array([0, 0, 1, 2, 2, 2, 0, 1])


def small_model(margin=10.0, verification_weight=0.6):
    """A convolution, a locally connected and a dense layer under both signals, with a branch."""
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 5, 2))
    x = MaskedConv2D(3, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = MaskedLocallyConnected2D(4, 2, strides=1, name="local")(x)
    x = layers.LeakyReLU(0.1)(x)
    x = MaskedDense(FEATURES, name="f")(layers.Flatten()(x))
    network = keras.Model(image, layers.LeakyReLU(0.1)(x))
    model = supervise(network, CLASSES, branches=["pool"], margin=margin)
    # The classifiers begin at zero, where the loss does not depend on the layers below.
    for layer in model.layers:
        if layer.name.endswith("identity"):
            layer.kernel.assign(np.random.default_rng(0).normal(size=layer.kernel.shape))
    model.compile("sgd", **signals(model, verification_weight, branch_weight=0.5))
    return model


IMAGES = np.random.default_rng(1).normal(size=(8, 6, 5, 2)).astype("float32")


def batch(model):
    return IMAGES, {name: IDENTITIES for name in model.output_names}


def exact_diagonal(model, name, loss_of):
    """Diagonal of the Hessian of a function of the outputs in a kernel, by two tapes."""
    kernel = model.get_layer(name).kernel.value
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            loss = loss_of(model)
        gradient = tf.reshape(inner.gradient(loss, kernel), (-1,))
    rows = outer.jacobian(gradient, kernel)
    return np.diag(rows.numpy().reshape(gradient.shape[0], -1)).reshape(kernel.shape)


def total_loss(model):
    return model.compute_loss(*batch(model), model(IMAGES, training=False), training=False)


def columns_of_roots(model):
    """Signs that pick one column of one root, for one image of each pair, in turn.

    Returns:
        A function for `hessian_diagonal`, which takes the next column for each batch, and how many
        there are.
    """
    roots = loss_roots(model)
    rows = [4 if root.of_pairs else 8 for root in roots]
    widths = [root.tensor.shape[-1] for root in roots]
    columns = []
    for number, root in enumerate(roots):
        for at in [slice(None)] if root.of_pairs else [slice(0, None, 2), slice(1, None, 2)]:
            for column in range(widths[number]):
                columns.append([np.zeros(size, np.float32) for size in zip(rows, widths)])
                columns[-1][number][at, column] = 1
    tables = [tf.constant(np.stack(table)) for table in zip(*columns)]
    return lambda shape, number, draw, seed: tables[number][seed[1]], len(columns)


def all_columns(model, name):
    """The Gauss–Newton diagonal without chance: the sum over all columns of all roots."""
    signs, number = columns_of_roots(model)
    return number * hessian_diagonal(model, name, [batch(model)] * number, signs=signs)


@pytest.mark.parametrize("name", ["f", "local", "conv"])
def test_the_diagonal_is_the_exact_hessians(name):
    # No different pair within the margin: all losses have their exact Hessian.
    model = small_model(margin=1e-3)
    expected = exact_diagonal(model, name, total_loss)
    assert expected.min() >= -1e-6 and expected.max() > 1e-2
    np.testing.assert_allclose(all_columns(model, name), expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["f", "local", "conv"])
def test_within_the_margin_the_residual_is_taken_as_linear(name):
    model = small_model(margin=10.0)
    pairs = [layer for layer in model.layers if layer.name.endswith("_pairs")]
    features = keras.Model(model.inputs, [layer.input for layer in pairs])
    weights = {"f_pairs": 0.3, "pool_pairs": 0.15}

    def loss_of(model):
        total = total_loss(model)
        for layer, values in zip(pairs, features([IMAGES], training=False)):
            u = tf.reshape(values, (4, 2, -1))
            u = u[:, 0] - u[:, 1]
            d = tf.norm(u, axis=1)
            linear = tf.reduce_sum(tf.stop_gradient(u / d[:, None]) * u, axis=1)
            different = tf.constant((IDENTITIES[0::2] != IDENTITIES[1::2]).astype("float32"))
            change = different * ((10 - linear) ** 2 - (10 - d) ** 2) / 2
            total += weights[layer.name] * tf.reduce_mean(change)
        return total

    expected = exact_diagonal(model, name, loss_of)
    exact = exact_diagonal(model, name, total_loss)
    assert np.abs(exact - expected).max() > 1e-2
    np.testing.assert_allclose(all_columns(model, name), expected, rtol=2e-3, atol=1e-5)


def test_random_signs_have_the_diagonal_as_their_mean():
    model = small_model(margin=2.0)
    for name in ("f", "conv"):
        expected = all_columns(model, name)
        batches = [batch(model)] * 200
        mean = hessian_diagonal(model, name, batches, seed=5)
        assert np.corrcoef(mean.ravel(), expected.ravel())[0, 1] > 0.98
        assert mean.sum() == pytest.approx(expected.sum(), rel=0.1)
    once = [hessian_diagonal(model, "f", batches[:1], seed=seed) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(once[0], once[1])
    assert not np.array_equal(once[0], once[2])


def check_one_output(model, x, y):
    """Compares the diagonal of layer "d" of a model of three outputs with the exact one."""
    expected = exact_diagonal(
        model, "d", lambda model: model.compute_loss(x, y, model(x), training=False)
    )
    columns = tf.constant(np.eye(3, dtype="float32")[:, None].repeat(len(x), axis=1))
    found = 3 * hessian_diagonal(
        model, "d", [(x, y)] * 3, signs=lambda shape, number, draw, seed: columns[seed[1]]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_squared_error():
    model = keras.Sequential(
        [keras.Input((5,)), MaskedDense(4, activation="relu", name="d"), layers.Dense(3)]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    check_one_output(model, x, np.zeros((6, 3), "float32"))


@examples(30)
@given(
    kind=st.sampled_from(["dense", "local", "conv"]),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    same=st.booleans(),
    group=st.sampled_from([1, 2]),
    groups=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_squared_gradients_in_loops(kind, window, strides, same, group, groups, seed):
    if kind == "dense":
        geometry = LayerGeometry("dense", (5, 3), (1, 1, 5), (1, 1, 3))
    else:
        cls = MaskedLocallyConnected2D if kind == "local" else MaskedConv2D
        layer = cls(2, window, strides=strides, padding="same" if same else "valid")
        keras.Sequential([keras.Input((5, 4, 3)), layer])
        geometry = layer_geometry(layer)
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(group * groups, *geometry.inputs)).astype("float32")
    deltas = rng.normal(size=(group * groups, *geometry.outputs)).astype("float32")
    kernel = (1, 1, *geometry.kernel_shape) if kind == "dense" else geometry.kernel_shape
    of_image = []
    for a, delta in zip(inputs, deltas):
        gradient = np.zeros(kernel)
        for y, x, f in np.ndindex(*geometry.outputs):
            for dy, dx, c in np.ndindex(*geometry.window, geometry.inputs[2]):
                y_in = y * geometry.strides[0] + dy - geometry.pad[0]
                x_in = x * geometry.strides[1] + dx - geometry.pad[1]
                if 0 <= y_in < a.shape[0] and 0 <= x_in < a.shape[1]:
                    at = (dy, dx, c, f) if kind != "local" else (y, x, dy, dx, c, f)
                    gradient[at] += float(a[y_in, x_in, c]) * delta[y, x, f]
        of_image.append(gradient)
    of_group = np.reshape(of_image, (groups, group, *kernel)).sum(axis=1)
    expected = np.square(of_group).sum(axis=0).reshape(geometry.kernel_shape)
    found = squared_gradients(geometry, inputs, deltas, group)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_pieces_of_a_batch_add_up(monkeypatch):
    model = small_model()
    whole = hessian_diagonal(model, "conv", [batch(model)], signs=one_sign)
    monkeypatch.setattr("sparseface_tf.criteria.gradients._WORK", 1)
    assert images_at_once(layer_geometry(model.get_layer("conv"))) == 2
    pieces = hessian_diagonal(model, "conv", [batch(model)], signs=one_sign)
    np.testing.assert_allclose(pieces, whole, rtol=1e-4, atol=1e-7)


def one_sign(shape, number, draw, seed):
    return tf.ones(shape)


def test_saliency_is_h_w_squared_over_two_and_dead_units_have_none():
    model = small_model()
    layer = model.get_layer("conv")
    # A map that no image wakes up: its weights change nothing.
    layer.bias.assign(np.array([0, -1e6, 0]))
    obd = criterion("obd,draws=2")
    scores = obd.scores(model, "conv", [batch(model)], seed=4)
    h = hessian_diagonal(model, "conv", [batch(model)], draws=2, seed=4)
    np.testing.assert_allclose(scores, h * np.asarray(layer.kernel) ** 2 / 2, rtol=1e-6)
    assert np.isfinite(scores).all() and (scores[..., 1] == 0).all() and scores.max() > 0
    mask = obd.select(scores, layer, 0.5, seed=4)
    assert mask.sum() == 27 and not mask[..., 1].any()
    assert scores[mask].min() >= scores[~mask].max()
    # The layer is left as it was.
    assert layer.activation is keras.activations.relu and layer.density == 1


def test_what_has_no_known_curvature_is_refused():
    model = keras.Sequential([keras.Input((5,)), MaskedDense(4, name="d")])
    x, y = np.zeros((2, 5), "float32"), np.zeros((2, 4), "float32")
    obd = criterion("obd")
    with pytest.raises(ValueError, match="compile the model"):
        obd.scores(model, "d", [(x, y)])
    model.compile("sgd", "mae")
    with pytest.raises(ValueError, match="mean_absolute_error, is not known"):
        obd.scores(model, "d", [(x, y)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="held-out people have no"):
        obd.scores(model, "d", [x])
    with pytest.raises(ValueError, match="needs images, got none"):
        obd.scores(model, "d", [])
    model.compile("sgd", keras.losses.CategoricalCrossentropy())
    with pytest.raises(ValueError, match="from_logits"):
        obd.scores(model, "d", [(x, y)])


def test_a_loss_of_ones_own_with_logits():
    class Margin(keras.losses.Loss):
        def logits(self, y_true, y_pred):
            return 4.0 * (y_pred - 0.35 * tf.one_hot(tf.cast(y_true, "int32"), 3))

        def call(self, y_true, y_pred):
            return tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.cast(y_true, "int32"), self.logits(y_true, y_pred)
            )

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), MaskedDense(3, name="d")])
    model.compile("sgd", Margin())
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    y = np.arange(6) % 3
    check_one_output(model, x, y)
