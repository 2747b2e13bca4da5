"""Time of a masked training step against the same network without masks (goal: <= 1.05).

    python benchmarks/masked_step.py

The network of Table 1 with 1/256-f 1/128-5b 1/2-4b, and the same network without masks (no
constraint), are trained by turns on the same random mini-batch of 64 pairs;
the ratio is that of the medians.
"""

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app, flags

from sparseface_tf.networks import baseline_network
from sparseface_tf.supervision.signals import signals, supervise, targets
from sparseface_tf.training.precision import dtype_policy

IDENTITIES = flags.DEFINE_integer("identities", 1000, "Classes of the identification signal.")
STEPS = flags.DEFINE_integer("steps", 20, "Timed mini-batches of each network.")
PRECISION = flags.DEFINE_string("precision", "auto", "As in train.py.")
SPARSE = {"f": 1 / 256, "5b": 1 / 128, "4b": 1 / 2}


def training_step(masked):
    """A function that trains one mini-batch and waits for its end."""
    network = baseline_network()
    for layer in network.layers:
        if hasattr(layer, "assign_mask"):
            if masked and layer.name in SPARSE:
                drawn = np.random.default_rng(0).random(layer.kernel.shape)
                layer.assign_mask(drawn < SPARSE[layer.name])
            if not masked:
                # All that a mask adds to a training step.
                layer.kernel.constraint = None
    model = supervise(network, IDENTITIES.value)
    optimizer = keras.optimizers.AdamW(1e-5)
    model.compile(optimizer, jit_compile=False, **signals(model))
    images = np.random.default_rng(1).normal(size=(128, 112, 96, 3)).astype("float32")
    images, y = targets(model)(images, np.arange(128) // 2)
    return lambda: float(model.train_on_batch(images, y)[0])


def main(_):
    keras.config.set_dtype_policy(dtype_policy(PRECISION.value))
    steps = {"dense": training_step(False), "masked": training_step(True)}
    times = {name: [] for name in steps}
    for number in range(STEPS.value + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= 2:  # the first ones compile
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:7s} {median:.3f} s a step, {128 / median:.0f} images/s")
    print(f"ratio masked / dense: {medians['masked'] / medians['dense']:.3f} (goal: <= 1.05)")


if __name__ == "__main__":
    app.run(main)
