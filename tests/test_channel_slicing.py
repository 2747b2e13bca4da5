"""Networks without some of their channels."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from pipelines.faces.regions import TABLE, read_regions
from pipelines.files import write_json
from sparseface_tf.channels import at_width, prefixes, sliced
from sparseface_tf.channels.width import normalisations
from sparseface_tf.embedding.litert import LiteRTNetwork
from sparseface_tf.export import Export
from sparseface_tf.export.card import training_facts
from sparseface_tf.export.tflite.exporter import TFLiteExporter
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.networks import (
    NETWORKS,
    VGG16_LAYERS,
    baseline_network,
    build_network,
    vgg16_network,
)
from sparseface_tf.supervision.signals import signals, supervise

CHANNELS = {"a": 6, "b": 5, "c": 4, "d": 3}
SETTINGS = dict(epsilon=0.25, moving_variance_initializer=keras.initializers.Constant(0.75))


def branched():
    """Every way that channels go: convolutions, a depthwise one, a local one, two branches."""

    def normalise(x, name):
        x = keras.layers.BatchNormalization(**SETTINGS, name=f"{name}_n")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    image = keras.Input((8, 7, 2))
    x = normalise(MaskedConv2D(6, 3, padding="same", name="a")(image), "a")
    x = keras.layers.MaxPooling2D(2, padding="same")(x)
    y = keras.layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    y = normalise(keras.layers.Conv2D(5, 2, use_bias=False, name="b")(y), "b")
    z = normalise(MaskedLocallyConnected2D(4, 2, name="c")(x), "c")
    y = keras.layers.Flatten()(y)
    top = normalise(MaskedDense(3, name="d")(keras.layers.Flatten()(z)), "d")
    joined = keras.layers.Concatenate()([y, keras.layers.GlobalAveragePooling2D()(x), top])
    outputs = {
        "joined": keras.layers.Dense(4, name="e")(joined),
        "whole": keras.layers.GlobalMaxPooling2D()(z),
    }
    return keras.Model(image, outputs)


def with_small_numbers(model, seed=0):
    """Gives a model integers for weights, with which float32 computes exactly in any order."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name == "mask":
            continue
        if variable.name in ("moving_variance",):
            continue  # 0.75 + epsilon is 1
        variable.assign(rng.integers(-2, 3, variable.shape))
    for layer in model.layers:
        if hasattr(layer, "assign_mask"):
            layer.assign_mask(rng.random(layer.mask.shape) < 0.8)
    return model


def outputs(model, x):
    """What a model makes of images, arrays; without the seconds that `predict` takes to begin."""
    return keras.tree.map_structure(np.asarray, model(x, training=False))


def images(model, count=3, seed=1):
    return np.random.default_rng(seed).integers(-3, 4, (count, *model.input_shape[1:])).astype("f")


@st.composite
def kept_channels(draw):
    kept = {}
    for name, channels in CHANNELS.items():
        kept[name] = sorted(draw(st.sets(st.integers(0, channels - 1), min_size=1)))
    return kept


@examples(8)
@given(kept=kept_channels(), seed=st.integers(0, 99))
def test_without_channels_that_are_zero_nothing_changes(kept, seed):
    model = with_small_numbers(branched(), seed)
    small = sliced(model, kept)
    # The same channels zero in the large model: no scale, no shift.
    for name, stay in kept.items():
        gone = np.setdiff1d(np.arange(CHANNELS[name]), stay)
        normalise = model.get_layer(f"{name}_n")
        for variable in (normalise.gamma, normalise.beta):
            value = np.array(variable)
            value[gone] = 0
            variable.assign(value)
    x = images(model)
    expected, found = outputs(model, x), outputs(small, x)
    # The mean over 4 x 4 positions is exact too.
    assert np.array_equal(expected["joined"], found["joined"])
    assert np.array_equal(expected["whole"][:, kept["c"]], found["whole"])
    assert not np.delete(expected["whole"], kept["c"], axis=1).any()
    for name, stay in kept.items():
        assert small.get_layer(name).output.shape[-1] == len(stay)


def test_the_order_of_channels_may_change():
    model = with_small_numbers(branched())
    x = images(model)
    turned = sliced(model, {name: range(n)[::-1] for name, n in CHANNELS.items()})
    expected, found = outputs(model, x), outputs(turned, x)
    np.testing.assert_array_equal(expected["joined"], found["joined"])
    np.testing.assert_array_equal(expected["whole"][:, ::-1], found["whole"])


def test_masks_and_weights_are_parts_of_the_large_ones(tmp_path):
    model = with_small_numbers(branched())
    kept = {"a": [0, 3, 4], "c": [1], "b": [2, 4]}
    small = sliced(model, kept)
    large_mask, mask = (np.asarray(m.get_layer("c").mask) for m in (model, small))
    assert np.array_equal(large_mask[:, :, :, :, [0, 3, 4]][..., [1]], mask)
    assert 0 < mask.sum() < mask.size
    # The mask holds in further training.
    layer = small.get_layer("c")
    assert np.array_equal(layer.kernel.constraint(np.ones(mask.shape, "float32")), mask)
    depthwise = np.asarray(model.get_layer("depthwise").kernel)[:, :, [0, 3, 4]]
    assert np.array_equal(depthwise, small.get_layer("depthwise").kernel)
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    x = images(model)
    for a, b in zip(outputs(small, x).values(), outputs(loaded, x).values()):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "kept, message",
    [
        ({"a": []}, "one channel at least"),
        ({"a": [6]}, "channels 0 to 5"),
        ({"a": [-1]}, "channels 0 to 5"),
        ({"a": [1, 1]}, "once"),
        ({"z": [1]}, "no layer 'z'"),
        ({"a_n": [1]}, "no layer 'a_n'"),
    ],
)
def test_impossible_channels_are_refused(kept, message):
    with pytest.raises(ValueError, match=message):
        sliced(branched(), kept)


def test_layers_that_are_added_up_lose_the_same_channels_or_none():
    image = keras.Input((4, 4, 3))
    parts = [keras.layers.Conv2D(4, 1, name=name)(image) for name in "ab"]
    model = keras.Model(image, keras.layers.Add(name="sum")(parts))
    assert sliced(model, {"a": [1, 2], "b": [1, 2]}).output_shape[-1] == 2
    with pytest.raises(ValueError, match="'sum' joins"):
        sliced(model, {"a": [1, 2]})
    with pytest.raises(ValueError, match="'sum' joins"):
        sliced(model, {"a": [1, 2], "b": [1, 3]})


def test_grouped_convolutions_are_left_whole():
    image = keras.Input((4, 4, 4))
    x = keras.layers.Conv2D(4, 1, name="a")(image)
    model = keras.Model(image, keras.layers.Conv2D(4, 1, groups=2, name="b")(x))
    assert sliced(model, {}).count_params() == model.count_params()
    for kept in ({"a": [0]}, {"b": [0]}):
        with pytest.raises(ValueError, match="'b' .*cannot do without"):
            sliced(model, kept)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_copied(name):
    size = (56, 48, 3) if name == "baseline" else (48, 48, 3)
    keras.config.set_dtype_policy("mixed_bfloat16")
    asked = dict(study=name == "baseline", normalization=NETWORKS[name].normalization == "asked")
    model = build_network(name, size, width=0.125, **asked)
    assert model.layers[-1].name == "feature" and model.output.dtype == "float32"
    copy = sliced(model, {}, name="copy")
    x = np.random.default_rng(0).normal(size=(2, *size)).astype("float32")
    assert copy.name == "copy"
    assert np.array_equal(outputs(model, x), outputs(copy, x))


def test_prefixes_are_rounded_down():
    model = vgg16_network((32, 32, 3), 0.125)
    assert list(normalisations(model)) == list(VGG16_LAYERS)
    kept = prefixes(model, 0.55)
    assert len(kept) == 13
    for name, numbers in kept.items():
        channels = model.get_layer(name).filters
        assert numbers.tolist() == list(range(int(0.55 * channels)))
    # One stays; a product that floating point makes a little less than whole is whole.
    assert {len(numbers) for numbers in prefixes(model, 0.01).values()} == {1}
    image = keras.Input((1, 1, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(100, 1, name="c")(image))
    hundred = keras.Model(image, x)
    assert len(prefixes(hundred, 0.29)["c"]) == 29
    assert len(prefixes(hundred, 0.29, multiple=4)["c"]) == 28
    assert len(prefixes(hundred, 0.01, multiple=4)["c"]) == 4
    assert len(prefixes(hundred, 1, multiple=7)["c"]) == 98
    for width in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="share of the channels"):
            prefixes(hundred, width)
    with pytest.raises(ValueError, match="multiples"):
        prefixes(hundred, 0.5, 0)


def test_a_network_without_normalisations_has_no_widths():
    with pytest.raises(ValueError, match="no batch normalisation"):
        at_width(baseline_network((56, 48, 3), 0.125, study=True), 0.5)


def test_half_a_network_is_a_plain_model(tmp_path):
    model = baseline_network((56, 48, 3), 0.25, study=True, normalization=True)
    half = at_width(model, 0.5)
    assert [type(layer) for layer in half.layers] == [type(layer) for layer in model.layers]
    kernel = np.asarray(model.get_layer("3a").kernel)
    assert np.array_equal(half.get_layer("3a").kernel, kernel[:, :, :12, :24])
    # f has no normalisation: all of its neurons stay, and see half of 5b at each position.
    inputs = (np.arange(6)[:, None] * 64 + np.arange(32)).reshape(-1)
    kernel = np.asarray(model.get_layer("f").kernel)
    assert np.array_equal(half.get_layer("f").kernel, kernel[inputs])
    half.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    x = np.random.default_rng(0).normal(size=(2, 56, 48, 3)).astype("float32")
    assert np.array_equal(outputs(half, x), outputs(loaded, x))


def test_half_a_network_is_exported(tmp_path):
    model = baseline_network((56, 48, 3), 0.125, study=True, normalization=True)
    mask = np.random.default_rng(0).random(model.get_layer("f").mask.shape) < 0.1
    model.get_layer("f").assign_mask(mask)
    model.save(tmp_path / "model.keras")
    # As the run that it lies in rounded the channels when it trained at half the width.
    region = read_regions(TABLE)["face"].scaled(48)
    settings = {"channel_multiple": 8, "regions": dataclasses.asdict(region), "pairs": 64, "seed": 0}
    settings |= {"data": "set", "test_data": "lfw", "criterion": "correlation"}
    write_json(tmp_path / "experiment.json", settings)
    verified = {"accuracy": 0.75, "standard_error": 0.01}
    level = {"parameters": 9, "parameters_kept": 7, "verification": {"held_out": verified}}
    result = {"stage": 1, "name": "channels", "steps": 3, "levels": {"0.5": level}}
    write_json(tmp_path / "metrics.json", result)
    export = Export(
        model=str(tmp_path / "model.keras"),
        output=str(tmp_path / "half"),
        at_width=0.5,
        parity_images=4,
        compare=False,
        seconds=0.01,
    )
    exporter = TFLiteExporter(export)
    exporter.prepare()
    with open(exporter.run(), "rb") as file:
        network = LiteRTNetwork(file.read())
    x = np.random.default_rng(0).normal(size=(2, 56, 48, 3)).astype("float32")
    expected = outputs(at_width(model, 0.5, 8), x)
    np.testing.assert_allclose(network.predict_on_batch(x), expected, rtol=1e-3, atol=1e-4)
    card = (tmp_path / "half" / "MODEL_CARD.md").read_text()
    assert "channels: the first 0.5 of each layer's" in card
    assert "weights kept: 7 of 9" in card and "0.7500" in card
    facts = training_facts(str(tmp_path / "model.keras"), 0.25)
    assert facts["accuracy"] == "not measured at this width" and "weights kept" not in facts
    for width in (0.0, 1.5):
        export.at_width = width
        with pytest.raises(ValueError, match="--at_width is a share"):
            export.check()


def test_a_supervised_network_is_sliced_with_its_branches_and_margins():
    network = baseline_network((56, 48, 3), 0.125, study=True, normalization=True)
    model = supervise(network, 7, branches=("pool3", "pool4"))
    model.compile("adam", **signals(model))
    model.get_layer("f_pairs").margin.assign(3.5)
    # Random states too, so that training goes on as if nothing had been built anew.
    state = np.array([1, 2], "uint32")
    model.get_layer("f_dropout").seed_generator.state.assign(state)
    small = at_width(model, 0.5)
    assert not small.compiled
    assert float(small.get_layer("f_pairs").margin) == 3.5
    assert np.array_equal(small.get_layer("f_dropout").seed_generator.state, state)
    assert small.output_names == model.output_names
    assert small.get_layer("pool3_branch").kernel.shape[0] * 2 == (
        model.get_layer("pool3_branch").kernel.shape[0]
    )
    model.get_layer("3a_normalization").trainable = False
    assert not at_width(model, 0.5).get_layer("3a_normalization").trainable
