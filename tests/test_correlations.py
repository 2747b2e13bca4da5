"""Correlations against eqs. 1 and 2 in loops, and the statistics they are made of."""

import copy

import keras
import numpy as np
import pytest
from keras import layers

from sparseface_tf.channels import sliced
from sparseface_tf.criteria import criterion
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.networks import baseline_network
from sparseface_tf.sparsify import (
    CorrelationStatistics,
    layer_correlations,
    layer_geometry,
    layer_kind,
    mean_abs_correlation,
    network_correlations,
    output_positions,
)
from sparseface_tf.sparsify.correlations import neuron_activations
from sparseface_tf.sparsify.geometry import LayerGeometry


def pearson(a, b):
    """The fraction of eq. 1 for two vectors over the images; 0 where one does not vary."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std())


def naive_dense(inputs, outputs):
    return np.array([[pearson(a, b) for b in outputs.T] for a in inputs.T])


def naive_windows(inputs, outputs, window, strides=(1, 1), dilation=(1, 1), pad=(0, 0)):
    """r at every position: (out_height, out_width, kh, kw, in, out), in plain loops."""
    _, height, width, channels = inputs.shape
    _, out_height, out_width, filters = outputs.shape
    r = np.zeros((out_height, out_width, *window, channels, filters))
    for index in np.ndindex(r.shape):
        y, x, dy, dx, channel, f = index
        y_in = y * strides[0] + dy * dilation[0] - pad[0]
        x_in = x * strides[1] + dx * dilation[1] - pad[1]
        if 0 <= y_in < height and 0 <= x_in < width:
            r[index] = pearson(inputs[:, y_in, x_in, channel], outputs[:, y, x, f])
    return r


def naive_convolution(*args, **kwargs):
    return np.abs(naive_windows(*args, **kwargs)).sum(axis=(0, 1))


def activations(model, name):
    """Function from images to the float64 inputs and activations of a layer."""
    tapped = keras.Model(model.inputs, neuron_activations(model, name))
    return lambda images: [np.asarray(a, np.float64) for a in tapped.predict_on_batch(images)]


@pytest.fixture
def images():
    return np.random.default_rng(0).standard_normal((40, 7, 6, 2)).astype(np.float32)


@pytest.fixture
def small_network():
    """A convolution, a locally connected and a dense layer; inputs 7x6x2."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((7, 6, 2)),
            MaskedConv2D(3, 3, padding="same", activation="relu", name="conv"),
            MaskedLocallyConnected2D(4, 3, name="local"),
            layers.ReLU(),
            layers.Flatten(),
            MaskedDense(5, activation="relu", name="dense"),
        ]
    )


def test_dense_is_equation_1(small_network, images):
    expected = naive_dense(*activations(small_network, "dense")(images))
    r = layer_correlations(small_network, "dense", images)
    assert r.shape == small_network.get_layer("dense").kernel.shape and r.dtype == np.float32
    np.testing.assert_allclose(r, expected, atol=1e-5)
    assert r.min() < 0 < r.max()


def test_local_is_equation_1_behind_its_activation_layer(small_network, images):
    inputs, outputs = activations(small_network, "local")(images)
    assert outputs.min() == 0
    r = layer_correlations(small_network, "local", images)
    assert r.shape == small_network.get_layer("local").kernel.shape
    np.testing.assert_allclose(r, naive_windows(inputs, outputs, (3, 3)), atol=1e-5)


@pytest.mark.parametrize(
    "options, pad",
    [
        (dict(kernel_size=3, padding="same"), (1, 1)),
        (dict(kernel_size=3, padding="valid"), (0, 0)),
        (dict(kernel_size=(2, 3), padding="valid", strides=(2, 1)), (0, 0)),
        # 7 rows: (4 - 1) * 2 + 3 - 7 = 2 rows of zeros; 6 columns: one, behind the last.
        (dict(kernel_size=3, padding="same", strides=2), (1, 0)),
        (dict(kernel_size=(4, 2), padding="same"), (1, 0)),
        (dict(kernel_size=2, padding="same", dilation_rate=(2, 3)), (1, 1)),
        (dict(kernel_size=2, padding="valid", dilation_rate=2), (0, 0)),
        (dict(kernel_size=1), (0, 0)),
    ],
)
def test_convolution_is_equation_2(images, options, pad):
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((7, 6, 2)), layers.Conv2D(3, activation="relu", name="c", **options)]
    )
    layer = model.get_layer("c")
    inputs, outputs = activations(model, "c")(images)
    expected = naive_convolution(
        inputs, outputs, layer.kernel_size, layer.strides, layer.dilation_rate, pad
    )
    r = layer_correlations(model, "c", images)
    assert r.shape == layer.kernel.shape
    np.testing.assert_allclose(r, expected, atol=1e-4)
    assert output_positions(layer) == outputs.shape[1] * outputs.shape[2]


@pytest.mark.parametrize("strides, padding, pad", [(2, "valid", (0, 0)), (2, "same", (1, 0))])
def test_local_with_strides_and_padding(images, strides, padding, pad):
    layer = MaskedLocallyConnected2D(2, 3, strides=strides, padding=padding, name="l")
    model = keras.Sequential([keras.Input((7, 6, 2)), layer])
    expected = naive_windows(*activations(model, "l")(images), (3, 3), (2, 2), pad=pad)
    np.testing.assert_allclose(layer_correlations(model, "l", images), expected, atol=1e-5)


def test_batch_normalisation_before_the_activation_layer():
    model = baseline_network((40, 40, 3), width=1 / 64, study=True, normalization=True)
    for name in ("4b", "5a", "5b"):
        assert neuron_activations(model, name)[1] is model.get_layer(f"{name}_relu").output
    assert neuron_activations(model, "f")[1] is model.get_layer("f_relu").output
    inner = model.get_layer("4b_normalization")
    assert inner.output is not model.get_layer("4b").output


def test_one_pass_over_any_kind_of_images(small_network, images):
    names = ["conv", "local", "dense"]
    once = network_correlations(small_network, names, images)
    assert list(once) == names

    passes = []

    class Batches:
        def __iter__(self):
            passes.append(0)
            return iter(np.array_split(images, 7))

    labels = np.zeros(20)
    several = [
        network_correlations(small_network, names, Batches()),
        network_correlations(small_network, names, images, batch_size=9),
        network_correlations(small_network, names, iter([images[:1], images[1:]])),
        network_correlations(small_network, names, [(images[:20], labels), (images[20:], labels)]),
        {name: layer_correlations(small_network, name, images, progress=True) for name in names},
    ]
    assert len(passes) == 1
    for other in several:
        for name in names:
            np.testing.assert_allclose(other[name], once[name], atol=1e-4)


def test_dataset_of_tensorflow(small_network, images):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(16)
    np.testing.assert_allclose(
        layer_correlations(small_network, "local", dataset),
        layer_correlations(small_network, "local", images),
        atol=1e-5,
    )


def test_tiles_of_positions_give_the_same(small_network, images):
    names = ["conv", "local", "dense"]
    expected = network_correlations(small_network, names, images)
    with pytest.raises(ValueError) as error:
        network_correlations(small_network, names, images, memory_limit=1)
    least = int(str(error.value).split("at least ")[1].split()[0])
    for limit in (least, 2 * least):
        passes = []

        class Batches:
            def __iter__(self):
                passes.append(0)
                return iter([images])

        tiled = network_correlations(small_network, names, Batches(), memory_limit=limit)
        assert len(passes) > 2
        for name in names:
            np.testing.assert_allclose(tiled[name], expected[name], atol=1e-4)


def test_memory_limit_errors_say_what_to_give(small_network, images):
    with pytest.raises(ValueError, match="too small: give at least") as error:
        layer_correlations(small_network, "conv", images, memory_limit=100)
    enough = int(str(error.value).split("at least ")[1].split()[0])
    layer_correlations(small_network, "conv", images, memory_limit=enough)
    with pytest.raises(ValueError, match="read only once: give at least") as error:
        layer_correlations(small_network, "conv", iter([images]), memory_limit=enough)
    enough = int(str(error.value).split("at least ")[1].split(",")[0])
    layer_correlations(small_network, "conv", iter([images]), memory_limit=enough)


def test_errors_are_one_line(small_network, images):
    for call in (
        lambda: layer_correlations(small_network, "5c", images),
        lambda: layer_correlations(small_network, "flatten", images),
        lambda: layer_correlations(small_network, "dense", images[:1]),
        lambda: layer_correlations(small_network, "dense", images[:0]),
        lambda: layer_kind(layers.ReLU()),
        lambda: layer_kind(layers.Conv1D(1, 1)),
        lambda: layer_kind(layers.DepthwiseConv2D(1)),
    ):
        with pytest.raises(ValueError) as error:
            call()
        assert "\n" not in str(error.value)
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(2, 1, groups=2, name="c")])
    with pytest.raises(ValueError, match="grouped"):
        layer_correlations(model, "c", np.zeros((3, 4, 4, 2)))


def test_layer_kind():
    assert layer_kind(layers.Dense(1)) == layer_kind(MaskedDense(1)) == "dense"
    assert layer_kind(layers.Conv2D(1, 1)) == layer_kind(MaskedConv2D(1, 1)) == "conv"
    assert layer_kind(MaskedLocallyConnected2D(1, 1)) == "local"


def test_dead_neurons_have_no_correlation(small_network, images):
    for name in ("conv", "local", "dense"):
        layer = small_network.get_layer(name)
        bias = np.array(layer.bias)
        bias[..., 0] = -1e3
        bias[..., 1] = 0.1
        kernel = np.array(layer.kernel)
        kernel[..., 1] = 0
        layer.bias.assign(bias)
        layer.kernel.assign(kernel)
    # A constant input that float32 does not hold exactly, and batches of different sizes.
    images[..., 1] = 0.1
    r = network_correlations(small_network, ["conv", "local", "dense"], images, batch_size=17)
    for name, value in r.items():
        assert np.isfinite(value).all(), name
        assert not value[..., :2].any(), name
    assert not r["conv"][:, :, 1].any()
    assert r["conv"][:, :, 0, 2].all()
    assert not r["local"][..., :2, :].any()


def test_mixed_bfloat16_is_accumulated_in_float32(images):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((7, 6, 2)),
            layers.Conv2D(3, 3, padding="same", name="c", dtype="mixed_bfloat16"),
            layers.ReLU(dtype="mixed_bfloat16"),
        ]
    )
    assert neuron_activations(model, "c")[1].dtype == "bfloat16"
    inputs, outputs = activations(model, "c")(images)
    r = layer_correlations(model, "c", images)
    assert r.dtype == np.float32
    np.testing.assert_allclose(
        r, naive_convolution(inputs, outputs, (3, 3), pad=(1, 1)), atol=1e-4
    )


def test_real_activations_within_1e_4_of_corrcoef():
    keras.utils.set_random_seed(4)
    model = baseline_network((40, 40, 3), width=1 / 16, study=True)
    images = np.random.default_rng(4).uniform(-1, 1, (150, 40, 40, 3))
    r = layer_correlations(model, "f", images)
    inputs, outputs = activations(model, "f")(images)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.corrcoef(inputs, outputs, rowvar=False)
    expected = np.nan_to_num(expected[: inputs.shape[1], inputs.shape[1] :])
    np.testing.assert_allclose(r, expected, atol=1e-4)
    assert np.abs(r).max() > 0.1


def test_mean_abs_correlation():
    r = np.array([[0.5, -1.0], [0.0, 0.25]], np.float32)
    assert mean_abs_correlation(r) == pytest.approx(1.75 / 4)
    assert mean_abs_correlation(r, r < 0.1, positions=2) == pytest.approx(0.25)
    assert mean_abs_correlation(r, np.zeros_like(r, bool)) == 0


# The statistics by themselves.

DENSE = LayerGeometry("dense", (6, 4), (1, 1, 6), (1, 1, 4))
CONV = LayerGeometry("conv", (3, 3, 2, 3), (4, 5, 2), (4, 5, 3), (3, 3), pad=(1, 1))


def correlated(geometry, number, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((number, *geometry.inputs))
    mixing = rng.standard_normal((geometry.inputs[2], geometry.filters))
    return inputs, inputs @ mixing + rng.standard_normal((number, *geometry.outputs))


def stream(geometry, inputs, outputs, sizes=None, **options):
    statistics = CorrelationStatistics(geometry, **options)
    ends = np.cumsum(sizes or [len(inputs)])[:-1]
    for batch in zip(np.split(inputs, ends), np.split(outputs, ends)):
        statistics.update(*batch)
    return statistics


@pytest.mark.parametrize("offset", [0, 1, 1e3, -1e3, 1e5])
def test_any_offset_of_the_mean(offset):
    inputs, outputs = correlated(DENSE, 700)
    # What float32 makes of the data is the data.
    inputs, outputs = [np.float32(a + offset) for a in (inputs, outputs)]
    r = stream(DENSE, inputs, outputs, sizes=[100] * 7, chunk=256).result()
    expected = naive_dense(inputs[:, 0, 0], outputs[:, 0, 0])
    np.testing.assert_allclose(r, expected, atol=1e-5)


def test_mean_that_drifts():
    # Chunks whose means are far apart, compared with their own deviations.
    inputs, outputs = correlated(DENSE, 600)
    drift = np.repeat([0, 300, -200], 200)[:, None, None, None]
    inputs, outputs = np.float32(inputs + drift), np.float32(outputs - drift)
    r = stream(DENSE, inputs, outputs, chunk=100).result()
    np.testing.assert_allclose(r, naive_dense(inputs[:, 0, 0], outputs[:, 0, 0]), atol=1e-5)
    assert r.max() < -0.99


@pytest.mark.parametrize("geometry", [DENSE, CONV])
def test_streaming_is_one_shot(geometry):
    inputs, outputs = correlated(geometry, 61)
    whole = stream(geometry, inputs, outputs)
    for sizes, chunk in (([1] * 61, 8), ([30, 31], 16), ([61], 7), ([0, 2, 59], 61)):
        part = stream(geometry, inputs, outputs, sizes, chunk=chunk)
        np.testing.assert_allclose(part.result(), whole.result(), atol=2e-5)
        assert part.count == 61


@pytest.mark.parametrize("geometry", [DENSE, CONV])
def test_merging_is_exact_and_associative(geometry):
    inputs, outputs = correlated(geometry, 90)
    inputs[:30] += 5
    whole = stream(geometry, inputs, outputs).result()

    def parts():
        at = slice(0, 30), slice(30, 35), slice(35, 90)
        return [stream(geometry, inputs[s], outputs[s], chunk=16) for s in at]

    a, b, c = parts()
    left = a.merge(b).merge(c)
    a, b, c = parts()
    right = a.merge(b.merge(c))
    empty = CorrelationStatistics(geometry)
    for merged in (left, right, empty.merge(copy.deepcopy(left))):
        assert merged.count == 90
        np.testing.assert_allclose(merged.result(), whole, atol=2e-5)
    a.merge(CorrelationStatistics(geometry))
    np.testing.assert_allclose(a.result(), whole, atol=2e-5)


def test_only_like_is_merged():
    with pytest.raises(ValueError, match="same layer"):
        CorrelationStatistics(DENSE).merge(CorrelationStatistics(CONV))
    with pytest.raises(ValueError, match="same layer"):
        CorrelationStatistics(CONV).merge(CorrelationStatistics(CONV, rows=(0, 1)))


def test_tiles_add_up():
    inputs, outputs = correlated(CONV, 50)
    whole = stream(CONV, inputs, outputs).result()
    total = np.zeros_like(whole)
    for rows in ((0, 1), (1, 4)):
        for columns in ((0, 2), (2, 5)):
            stream(CONV, inputs, outputs, rows=rows, columns=columns).add_to(total)
    np.testing.assert_allclose(total, whole, atol=1e-5)


def test_numbers_of_images_must_agree():
    with pytest.raises(ValueError, match="2 inputs but 3 outputs"):
        CorrelationStatistics(DENSE).update(np.zeros((2, 6)), np.zeros((3, 4)))


def test_geometry_of_table_1():
    model = baseline_network()
    geometry = layer_geometry(model.get_layer("5b"))
    assert (geometry.positions, geometry.fan_in, geometry.filters) == (6, 2304, 256)
    assert output_positions(model.get_layer("4b")) == 168
    assert output_positions(model.get_layer("5b")) == output_positions(model.get_layer("f")) == 1


def reused():
    """A layer of one model taken over into another, behind another scale; and both models."""
    old = keras.Sequential([keras.Input((6, 5, 2)), MaskedConv2D(3, 2, name="c"), layers.ReLU()])
    image = keras.Input((4, 5, 2))
    convolved = old.get_layer("c")(layers.Rescaling(-2.0)(image))
    return old, keras.Model(image, layers.Activation("tanh")(convolved))


def test_a_layer_that_was_taken_over_is_looked_at_where_it_is():
    _, new = reused()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 4, 5, 2)).astype("float32")
    # The same network, of layers that stand in no other one.
    image = keras.Input((4, 5, 2))
    copy = MaskedConv2D(3, 2, name="c")
    own = keras.Model(image, layers.Activation("tanh")(copy(layers.Rescaling(-2.0)(image))))
    copy.set_weights(new.get_layer("c").get_weights())
    np.testing.assert_allclose(
        layer_correlations(new, "c", images), layer_correlations(own, "c", images), atol=1e-6
    )
    assert layer_geometry(new.get_layer("c"), new).outputs == (3, 4, 3)
    for name in ("wanda", "correlation"):
        made = criterion(name)
        np.testing.assert_allclose(
            made.scores(new, "c", images), made.scores(own, "c", images), atol=1e-4
        )


def test_a_layer_that_stands_twice_in_a_model_is_refused():
    image = keras.Input((8,))
    layer = MaskedDense(8, activation="tanh", name="f")
    twice = keras.Model(image, layer(layer(image)))
    x = np.zeros((3, 8), "float32")
    for call in (
        lambda: layer_correlations(twice, "f", x),
        lambda: criterion("wanda").scores(twice, "f", x),
        lambda: sliced(twice, {"f": range(4)}),
    ):
        with pytest.raises(ValueError, match="layer 'f' is called 2 times in model"):
            call()
    with pytest.raises(ValueError, match="is not functional"):
        layer_geometry(layer, subclassed())


def subclassed():
    class Own(keras.Model):
        pass

    return Own()


def test_channels_of_a_layer_that_was_taken_over_are_refused():
    with pytest.raises(ValueError, match="Layer 'c' was taken over from another model"):
        sliced(reused()[1], {"c": range(2)})
