"""One set of weights at several widths."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sparseface_tf.channels import at_width
from sparseface_tf.channels.widths import at_widths
from sparseface_tf.networks import baseline_network, vgg16_network
from sparseface_tf.supervision.centre_loss import ClassCentres
from sparseface_tf.supervision.output_names import name_and_width, name_at_width
from sparseface_tf.supervision.signals import signals, supervise, targets

WIDTHS = (1, 0.75, 0.5, 0.25)


def frozen(model, seed=0):
    """Some scales and moments in the normalisations, which are frozen, and weights everywhere."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
            shape = layer.gamma.shape
            for variable in layer.weights:
                variable.assign(rng.uniform(0.5, 1.5, shape) if "beta" not in variable.name else
                                rng.normal(size=shape))  # fmt: skip
        elif layer.name.endswith("_identity"):
            layer.kernel.assign(0.1 * rng.normal(size=layer.kernel.shape))
    return model


@pytest.fixture(scope="module")
def table_1():
    """Table 1's network with branches and a sparse layer, of eighth width, with its supervision."""
    network = baseline_network((56, 48, 3), 0.125, study=True, normalization=True, dropout=0.0)
    mask = np.random.default_rng(0).random(network.get_layer("5b").mask.shape) < 0.3
    network.get_layer("5b").assign_mask(mask)
    model = supervise(network, 5, branches=("pool3",), dropout=0.0, centre_rate=0.5)
    return frozen(model)


def outputs(model, x):
    """What a model makes of images, arrays; without the seconds that `predict` takes to begin."""
    return keras.tree.map_structure(np.asarray, model(x, training=False))


def batch(model, count=8):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(count, *model.input_shape[1:])).astype("float32")
    return images, np.repeat(np.arange(count // 2), 2) % 5


def test_names_at_widths_and_back():
    for width in (1, 0.75, 0.125):
        assert name_and_width(name_at_width("f_identity", width)) == ("f_identity", width)
    assert name_at_width("f", 1) == "f" and name_at_width("f", 0.125) == "f_at_12.5"


def test_each_output_is_the_network_at_that_width(table_1):
    images, _ = batch(table_1)
    several = at_widths(table_1, WIDTHS)
    found = outputs(several, images)
    assert len(found) == len(WIDTHS) * len(table_1.output_names)
    for width in WIDTHS:
        expected = outputs(at_width(table_1, width), images)
        for name, value in expected.items():
            other = found[name_at_width(name, width)]
            np.testing.assert_allclose(other, value, rtol=1e-4, atol=1e-5, err_msg=name)
        assert np.std(expected["f_identity"]) > 1e-3
    assert not np.allclose(found["f_identity"], found["f_identity_at_50"])


def test_the_weights_are_shared(table_1):
    several = at_widths(table_1, WIDTHS)
    ours, theirs = several.trainable_variables, table_1.trainable_variables
    assert [id(v) for v in ours] == [id(v) for v in theirs]
    own = {id(v) for v in several.weights} - {id(v) for v in table_1.weights}
    assert len(own) == 3  # the centres of the lower widths


def loss_of(found, identities):
    """The total of `signals` at one width, in plain words."""
    f, branch = (
        keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(identities, found[name], from_logits=True)
        )
        for name in ("f_identity", "pool3_identity")
    )
    return f + 0.3 * branch + 0.01 * centre(found["f_centre"])


def centre(output):
    # Centres are zero at first.
    return keras.ops.mean(keras.ops.sum(output[:, :-1] ** 2, axis=-1)) / 2


def test_gradients_are_the_sums_over_the_widths(table_1):
    images, identities = batch(table_1)
    several = at_widths(table_1, (1, 0.5, 0.25))
    several.compile(
        keras.optimizers.SGD(1.0),
        jit_compile=False,
        **signals(several, verification_weight=0.0, branch_weight=0.3, centre_weight=0.01),
    )
    _, wanted = targets(several)(images, identities)
    with tf.GradientTape() as tape:
        loss = several.compute_loss(images, wanted, several(images, training=True))
    found = tape.gradient(loss, several.trainable_variables)
    sums = [np.zeros(v.shape) for v in table_1.trainable_variables]
    for width in (1, 0.5, 0.25):
        narrow = at_width(table_1, width)
        with tf.GradientTape() as tape:
            loss = loss_of(narrow(images, training=True), identities)
        gradients = tape.gradient(loss, narrow.trainable_variables)
        for whole, gradient, variable in zip(sums, gradients, table_1.trainable_variables):
            add_to_part(whole, np.asarray(tf.convert_to_tensor(gradient)), variable)
    for variable, expected, gradient in zip(table_1.trainable_variables, sums, found):
        gradient = np.asarray(tf.convert_to_tensor(gradient))
        assert np.abs(expected).max() > 0, variable.path
        np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=1e-5, err_msg=variable.path)


def add_to_part(whole, part, variable):
    """Adds a gradient at a lower width to the place of its weights in the whole array."""
    place = [np.arange(n) for n in part.shape]
    # A kernel behind a flattened map has its inputs position by position.
    if len(part.shape) == 2 and part.shape[0] < whole.shape[0]:
        positions = {"f": 6, "pool3_branch": 6 * 7}.get(variable.path.split("/")[0], 1)
        channels, kept = whole.shape[0] // positions, part.shape[0] // positions
        place[0] = (np.arange(positions)[:, None] * channels + np.arange(kept)).reshape(-1)
    whole[np.ix_(*place)] += part


def test_after_training_each_width_is_what_it_was_in_training():
    model = vgg16_network((32, 32, 3), 0.0625)
    model = frozen(supervise(model, 4, branches=(), dropout=0.0, centre_rate=0.5))
    several = at_widths(model, (1, 0.5))
    several.compile(
        keras.optimizers.Adam(3e-3), jit_compile=False, **signals(several, centre_weight=1e-3)
    )
    images, identities = batch(model)
    dataset = tf.data.Dataset.from_tensors(targets(several)(images, identities % 4)).repeat(40)
    before = [np.array(v) for v in model.weights]
    history = several.fit(dataset, verbose=0, shuffle=False, epochs=2, steps_per_epoch=20).history
    for name in ("f_identity_loss", "f_identity_at_50_loss"):
        assert history[name][1] < history[name][0]
    pairs = zip(model.weights, before)
    changed = {variable.path for variable, old in pairs if not np.array_equal(variable, old)}
    assert not any("normalization" in path for path in changed)
    assert {"conv1_1/kernel", "conv5_3/kernel", "f_identity/kernel", "f_centre/centres"} <= changed
    found = outputs(several, images)
    narrow = outputs(at_width(model, 0.5), images)
    half = found["f_identity_at_50"]
    np.testing.assert_allclose(half, narrow["f_identity"], rtol=1e-3, atol=1e-4)


def test_the_margin_is_one_and_the_centres_are_each_widths_own(table_1):
    several = at_widths(table_1, (1, 0.5))
    table_1.get_layer("f_pairs").margin.assign(2.5)
    images, _ = batch(table_1)
    found = outputs(several, images)
    assert set(found["f_pairs_at_50"][:, 1]) == {2.5}
    centres = [layer for layer in several.layers if isinstance(layer, ClassCentres)]
    assert [layer.name for layer in centres] == ["f_centre", "f_centre_at_50"]


def test_what_several_widths_need():
    model = vgg16_network((32, 32, 3), 0.0625)
    with pytest.raises(ValueError, match="not frozen"):
        at_widths(model, (1, 0.5))
    frozen(model)
    for widths in ((0.5,), (), (2, 1)):
        with pytest.raises(ValueError, match="from 1 downwards"):
            at_widths(model, widths)
    assert set(at_widths(model, (1, 0.5)).output_names) == {"feature", "feature_at_50"}


def test_several_widths_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = frozen(vgg16_network((32, 32, 3), 0.0625))
    several = at_widths(model, (1, 0.5))
    images, _ = batch(model)
    found = outputs(several, images)["feature_at_50"]
    # The same roundings in the same places.
    np.testing.assert_allclose(found, outputs(at_width(model, 0.5), images), rtol=1e-5)
    part = several.get_layer("conv1_1_at_50")
    assert part.compute_dtype == "bfloat16" and part.whole.kernel.dtype == "float32"
    assert found.dtype == np.float32 and found.std() > 0
