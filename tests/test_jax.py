"""Layers, losses, masks and callbacks on Keras' JAX backend, in a process of its own."""

import os
import pathlib
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).parent.parent

PROGRAM = """
    import keras
    import numpy as np

    from sparseface_tf.callbacks import CorrelationMaskCallback, MarginCallback
    from sparseface_tf.networks import baseline_network
    from sparseface_tf.supervision import signals, supervise, targets

    assert keras.backend.backend() == "jax"
    keras.utils.set_random_seed(0)
    network = baseline_network((48, 48, 3), 0.0625, study=True)
    model = supervise(network, 4)
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
                self.model.make_train_function(force=True)

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
    print("done")
"""


def test_training_on_jax(tmp_path):
    import keras
    import numpy as np

    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    # What JAX trained, TensorFlow runs.
    network = keras.models.load_model(tmp_path / "network.keras")
    features = network.predict(np.load(tmp_path / "images.npy"), verbose=0)
    np.testing.assert_allclose(features, np.load(tmp_path / "features.npy"), atol=1e-4)
