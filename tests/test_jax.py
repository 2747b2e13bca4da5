"""Layers, losses, masks and callbacks on Keras' JAX backend, in a process of its own.

What is compared with TensorFlow it leaves in files.
"""

import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from sparseface_tf.supervision.margin_softmax import ArcFace, CosFace

ROOT = pathlib.Path(__file__).parent.parent

PROGRAM = """
    import keras
    import numpy as np

    from sparseface_tf.training.callbacks import CorrelationMaskCallback, MarginCallback
    from sparseface_tf.layers import MaskedDense
    from sparseface_tf.networks import baseline_network
    from sparseface_tf.supervision.signals import signals, supervise, targets

    assert keras.backend.backend() == "jax"
    keras.utils.set_random_seed(0)
    network = baseline_network((48, 48, 3), 0.0625, study=True)
    model = supervise(network, 4, branches=("pool4",))
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, jit_compile=True, **signals(model))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(16, 48, 48, 3)).astype("float32")
    identities = np.arange(16) // 4

    class DropLater(keras.callbacks.Callback):
        # In the middle of training, when there is momentum and a compiled step.
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                layer = self.model.get_layer("5b")
                layer.assign_mask(rng.random(layer.kernel.shape) < 0.1)

    callbacks = [
        CorrelationMaskCallback("f", 0.25, images, progress=False),
        MarginCallback(lambda step: [(images, identities)], every=2),
        DropLater(),
    ]
    model.fit(
        *targets(model)(images, identities),
        batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=callbacks,
    )
    for name in ("f", "5b"):
        layer = network.get_layer(name)
        kernel, mask = np.asarray(layer.kernel.value), np.asarray(layer.mask.value)
        assert layer.density < 0.3, (name, layer.density)
        assert np.all(kernel[~mask] == 0), name
        assert np.any(kernel[mask] != 0), name
    assert float(model.get_layer("f_pairs").margin.value) != 1.0
    network.save("network.keras")
    loaded = keras.models.load_model("network.keras")
    expected = network.predict(images, verbose=0)
    assert np.array_equal(loaded.predict(images, verbose=0), expected)
    np.save("features.npy", expected)
    np.save("images.npy", images)

    # A mask that arrives with the weights, before a step is compiled and after one is.
    def one_layer():
        return keras.Sequential([keras.Input((8,)), MaskedDense(6, name="f")])

    first, second = one_layer(), one_layer()
    second.compile(keras.optimizers.Adam(0.1, use_ema=True), "mse")
    x, y = rng.normal(size=(8, 8)), rng.normal(size=(8, 6))
    for density in (0.3, 0.5):
        mask = rng.random((8, 6)) < density
        first.get_layer("f").assign_mask(mask)
        second.set_weights(first.get_weights())
        second.fit(x, y, epochs=2, verbose=0)
        kernel = np.asarray(second.get_layer("f").kernel)
        assert not kernel[~mask].any() and kernel[mask].all(), density
"""


MARGIN_SOFTMAX = """
    import jax
    import keras
    import numpy as np

    from sparseface_tf.supervision.margin_softmax import ArcFace, CosFace
    from sparseface_tf.networks import deepid2plus_network
    from sparseface_tf.supervision.signals import signals, supervise, targets

    assert keras.backend.backend() == "jax"
    rng = np.random.default_rng(0)
    # The ends, beyond them by rounding, and angles that pass 180 degrees.
    cosines = np.append(rng.uniform(-1, 1, (29, 6)), [[1.0000001, -1, 0, 1, 1, 1]] * 3, 0)
    cosines = cosines.astype("float32")
    identities = np.append(np.arange(29) % 6, [0, 1, 2])
    results = {"cosines": cosines, "identities": identities}
    for kind in (ArcFace, CosFace):
        loss = kind(0.4, 16.0, reduction="sum")
        value, slope = jax.value_and_grad(lambda x: loss(identities, x))(cosines)
        results[kind.__name__], results[kind.__name__ + "_gradient"] = value, slope
    np.savez("losses.npz", **results)

    keras.utils.set_random_seed(0)
    network = deepid2plus_network((31, 31, 3), 0.0625)
    model = supervise(network, 4, branches=("pool2", "pool3"), identification="arcface")
    settings = signals(model, verification_weight=0.001, identification=ArcFace(0.1, 16.0))
    model.compile(keras.optimizers.Adam(0.003), jit_compile=True, **settings)
    pictures = rng.normal(size=(4, 31, 31, 3))
    identities = np.arange(16) // 2 % 4
    images = (pictures[identities] + 0.3 * rng.normal(size=(16, 31, 31, 3))).astype("float32")
    before = [np.array(v.value) for v in model.trainable_variables]
    history = model.fit(
        *targets(model)(images, identities), batch_size=16, epochs=30, shuffle=False, verbose=0
    ).history
    losses = np.array(history["loss"])
    assert np.isfinite(losses).all()
    # Means: dropout makes a single step's loss a matter of chance.
    assert losses[-10:].mean() < 0.8 * losses[:10].mean(), losses
    for old, new in zip(before, model.trainable_variables):
        assert not np.array_equal(old, np.array(new.value)), new.path
"""


CHANNELS = """
    import keras
    import numpy as np

    from sparseface_tf.channels import at_width
    from sparseface_tf.channels.widths import at_widths
    from sparseface_tf.networks import vgg16_network
    from sparseface_tf.supervision.signals import signals, supervise, targets

    assert keras.backend.backend() == "jax"
    keras.utils.set_random_seed(0)
    network = vgg16_network((32, 32, 3), 0.0625)
    model = supervise(network, 3, branches=(), dropout=0.0, centre_rate=0.5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    several = at_widths(model, (1, 0.5))
    several.compile(
        keras.optimizers.SGD(0.01), jit_compile=True,
        **signals(several, verification_weight=0.0, centre_weight=0.01),
    )
    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 32, 32, 3)).astype("float32")
    identities = np.array([0, 0, 2, 2, 2, 2])
    features = network.predict(images, verbose=0)
    several.fit(
        *targets(several)(images, identities), batch_size=6, epochs=1, shuffle=False, verbose=0
    )
    # Half of the sum of an identity's images, one more than there are: eq. 4.
    centres = np.asarray(model.get_layer("f_centre").centres.value)
    for identity, number in ((0, 2), (1, 0), (2, 4)):
        expected = 0.5 * features[identities == identity].sum(axis=0) / (1 + number)
        np.testing.assert_allclose(centres[identity], expected, rtol=1e-3, atol=1e-5)
    assert np.any(np.asarray(several.get_layer("f_centre_at_50").centres.value))
    found = several.predict(images, verbose=0)["f_identity_at_50"]
    half = at_width(model, 0.5).predict(images, verbose=0)["f_identity"]
    np.testing.assert_allclose(found, half, rtol=1e-3, atol=1e-5)
    assert np.any(half)
"""

PROGRAMS = {"training": PROGRAM, "margin_softmax": MARGIN_SOFTMAX, "channels": CHANNELS}
# One after the other in one process, as starting takes as long as they do; one that fails leaves the
# reason in a file and the others run.
EACH = """
import pathlib
import traceback

for name, program in {}.items():
    try:
        exec(compile(program, name, "exec"), {{"__name__": name}})
    except BaseException:
        pathlib.Path(name + ".error").write_text(traceback.format_exc())
    else:
        pathlib.Path(name + ".done").touch()
"""


@pytest.fixture(scope="module")
def jax(tmp_path_factory):
    """The folder that all programs ran in, on JAX."""
    folder = tmp_path_factory.mktemp("jax")
    programs = {name: textwrap.dedent(program) for name, program in PROGRAMS.items()}
    # What XLA makes of a graph is not what is tested, and optimising it takes most of the time.
    given = {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", EACH.format(programs)],
        cwd=folder,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def check(folder, name):
    """Asserts that a program ran to its end."""
    error = folder / f"{name}.error"
    assert not error.exists(), error.read_text()[-3000:]
    assert (folder / f"{name}.done").exists()


def test_training_on_jax(jax):
    check(jax, "training")
    # What JAX trained, TensorFlow runs.
    network = keras.models.load_model(jax / "network.keras")
    features = network.predict(np.load(jax / "images.npy"), verbose=0)
    np.testing.assert_allclose(features, np.load(jax / "features.npy"), atol=1e-4)


def test_margin_softmax_on_jax(jax):
    check(jax, "margin_softmax")
    with np.load(jax / "losses.npz") as found:
        for kind in (ArcFace, CosFace):
            cosines = tf.constant(found["cosines"])
            with tf.GradientTape() as tape:
                tape.watch(cosines)
                value = kind(0.4, 16.0, reduction="sum")(found["identities"], cosines)
            gradient = tape.gradient(value, cosines).numpy()
            assert np.isfinite(gradient).all()
            np.testing.assert_allclose(found[kind.__name__], value, rtol=1e-4)
            np.testing.assert_allclose(found[kind.__name__ + "_gradient"], gradient, rtol=1e-3, atol=1e-4)


def test_channels_on_jax(jax):
    check(jax, "channels")
