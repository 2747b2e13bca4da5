import keras
import numpy as np
import pytest

from sparseface_tf.networks import (
    DEEPID2PLUS_LAYERS,
    LAYERS,
    NETWORKS,
    baseline_network,
    deepid2plus_network,
)

# Table 1: output size and number of weights of every layer, for 112 x 96 input.
TABLE_1 = {
    "1a": ((112, 96, 64), 1_728),
    "1b": ((112, 96, 64), 36_864),
    "pool1": ((56, 48, 64), 0),
    "2a": ((56, 48, 96), 55_296),
    "2b": ((56, 48, 96), 82_944),
    "pool2": ((28, 24, 96), 0),
    "3a": ((28, 24, 192), 165_888),
    "3b": ((28, 24, 192), 331_776),
    "pool3": ((14, 12, 192), 0),
    "4a": ((14, 12, 256), 442_368),
    "4b": ((14, 12, 256), 589_824),
    "pool4": ((7, 6, 256), 0),
    "5a": ((5, 4, 256), 11_796_480),
    "5b": ((3, 2, 256), 3_538_944),
    "f": ((512,), 786_432),
}

# The same of DeepID2+, for 55 x 47 input.
DEEPID2PLUS = {
    "conv1": ((52, 44, 128), 4 * 4 * 3 * 128),
    "pool1": ((26, 22, 128), 0),
    "conv2": ((24, 20, 128), 3 * 3 * 128 * 128),
    "pool2": ((12, 10, 128), 0),
    "conv3": ((10, 8, 128), 3 * 3 * 128 * 128),
    "pool3": ((5, 4, 128), 0),
    "conv4": ((4, 3, 128), 2 * 2 * 128 * 128),
    "stages": ((5 * 4 * 128 + 4 * 3 * 128,), 0),
    "f": ((512,), (5 * 4 * 128 + 4 * 3 * 128) * 512),
}


def weights(network, name):
    return int(np.prod(network.get_layer(name).kernel.shape))


def test_table_1():
    network = baseline_network()
    for name, (shape, count) in TABLE_1.items():
        layer = network.get_layer(name)
        assert tuple(layer.output.shape[1:]) == shape, name
        if count:
            assert weights(network, name) == count, name
    assert network.output_shape == (None, 512)


def test_deepid2plus():
    network = deepid2plus_network()
    for name, (shape, count) in DEEPID2PLUS.items():
        layer = network.get_layer(name)
        assert tuple(layer.output.shape[1:]) == shape, name
        if count:
            assert weights(network, name) == count, name
            assert layer.mask.shape == layer.kernel.shape
    assert network.output_shape == (None, 512)
    # And no weights beside these but biases.
    biases = 4 * 128 + 512
    total = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    assert total == sum(count for _, count in DEEPID2PLUS.values()) + biases == 2_464_768


def test_deepid2plus_of_a_square_region_and_a_smaller_one():
    network = deepid2plus_network((47, 47, 1), width=0.25)
    assert network.get_layer("pool3").output.shape[1:] == (4, 4, 32)
    assert network.get_layer("conv4").output.shape[1:] == (3, 3, 32)
    assert weights(network, "f") == (16 + 9) * 32 * 128
    assert network.output_shape == (None, 128)
    assert deepid2plus_network((31, 31, 3), 0.25).output_shape == (None, 128)
    with pytest.raises(ValueError, match="30x47 is too small.*31 pixels"):
        deepid2plus_network((30, 47, 3))


def test_deepid2plus_is_saved_with_its_masks(tmp_path):
    network = deepid2plus_network(width=0.125, normalization=True)
    rng = np.random.default_rng(0)
    for name in DEEPID2PLUS_LAYERS:
        layer = network.get_layer(name)
        layer.assign_mask(rng.random(layer.kernel.shape) < 0.5)
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    image = rng.normal(size=(2, 55, 47, 3))
    assert np.array_equal(network.predict(image, verbose=0), loaded.predict(image, verbose=0))
    for name in DEEPID2PLUS_LAYERS:
        assert loaded.get_layer(name).density == network.get_layer(name).density < 0.6


@pytest.mark.parametrize(
    "name, build", [("baseline", baseline_network), ("deepid2plus", deepid2plus_network)]
)
def test_networks_have_the_layers_that_the_program_asks_for(name, build):
    network = build(width=0.125)
    masked = [layer.name for layer in network.layers if hasattr(layer, "assign_mask")]
    assert masked == list(NETWORKS[name].layers)
    assert network.input_shape[2] == NETWORKS[name].input_width


def test_square_regions():
    network = baseline_network((96, 96, 3))
    assert network.get_layer("pool4").output.shape[1:] == (6, 6, 256)
    assert network.get_layer("5a").output.shape[1:] == (4, 4, 256)
    assert network.get_layer("5b").output.shape[1:] == (2, 2, 256)


def test_study_form_has_the_same_top():
    network = baseline_network((56, 48, 3), study=True)
    names = [layer.name for layer in network.layers]
    assert "1a" not in names and "1b" not in names
    for name in LAYERS[3:]:
        assert weights(network, name) == TABLE_1[name][1]


def test_width_multiplier():
    network = baseline_network((56, 48, 3), study=True, width=0.5)
    assert network.output_shape == (None, 256)
    assert weights(network, "f") == TABLE_1["f"][1] // 4


@pytest.mark.parametrize("normalization", [False, True])
def test_save_and_load(normalization, tmp_path):
    network = baseline_network((56, 48, 3), 0.125, study=True, normalization=normalization)
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    image = np.random.default_rng(0).normal(size=(2, 56, 48, 3))
    assert np.array_equal(network.predict(image, verbose=0), loaded.predict(image, verbose=0))


def test_the_signal_does_not_fade_on_its_way_up():
    network = baseline_network((56, 48, 3), 0.5, study=True)
    features = network.predict(
        np.random.default_rng(0).normal(size=(16, 56, 48, 3)), verbose=0
    )
    assert 0.2 < features.std() < 5


def test_the_signal_does_not_fade_in_deepid2plus():
    images = np.random.default_rng(0).normal(size=(16, 55, 47, 3))
    assert 0.2 < deepid2plus_network(width=0.5).predict(images, verbose=0).std() < 5


def test_features_are_float32_whatever_the_layers_compute_in():
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert deepid2plus_network(width=0.125).output.dtype == "float32"
    network = baseline_network((56, 48, 3), 0.125, study=True)
    assert network.output.dtype == "float32"
    assert network.get_layer("5a").compute_dtype == "bfloat16"
    assert network.get_layer("5a").kernel.dtype == "float32"


def test_too_small_an_input():
    with pytest.raises(ValueError, match="48x96 is too small.*80 pixels"):
        baseline_network((48, 96, 3))
