"""Time and memory of each criterion for f, 5b, 5a and 4b, against a forward pass.

    python benchmarks/criteria.py [--images=512] [--precision=auto] [--criteria=obd,taylor]

Prints a Markdown table: for each criterion and layer the time of scoring and selecting, over that
of a plain forward pass to f of the network of Table 1 over the same images (goals: obd at most 6,
the others at most 2), and the peak of the process's memory after it over that after the forward
pass. What a criterion compiles counts, what the forward pass compiles does not. brp looks at no
images: what it costs is a regularised training step, whose time over that of a plain one is
printed instead.

Each criterion and layer is measured in a process of its own, one after the other; of a few runs by
turns with the forward pass the shortest counts.
"""

import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app, flags

from sparseface_tf.criteria import criteria, criterion
from sparseface_tf.networks import baseline_network
from sparseface_tf.supervision.signals import signals, supervise, targets
from sparseface_tf.training.precision import dtype_policy

IMAGES = flags.DEFINE_integer("images", 512, "Number of images.", lower_bound=2)
BATCH = flags.DEFINE_integer("batch", 64, "Images in a batch.", lower_bound=2)
IDENTITIES = flags.DEFINE_integer("identities", 1000, "Classes of the identification signal.")
PRECISION = flags.DEFINE_string("precision", "auto", "As in train.py.")
REPEATS = flags.DEFINE_integer("repeats", 3, "The best of that many runs counts.", lower_bound=1)
CRITERIA = flags.DEFINE_list("criteria", [], "Which ones; default: all.")
LAYERS = flags.DEFINE_list("layers", ["f", "5b", "5a", "4b"], "Layers.")
ONE = flags.DEFINE_string("one", "", "CRITERION:LAYER, measured in this process; prints JSON.")

KEPT = {"f": 1 / 256, "5b": 1 / 128, "5a": 1 / 2, "4b": 1 / 2}


def measure(name, layer):
    """Ratios (time, memory) of one criterion on one layer to what it is compared with."""
    network, model, batches = build()
    labelled = [targets(model)(images, identities) for images, identities in batches]
    chosen = criterion(name)
    if not chosen.one_shot:
        return measure_training(chosen, model, layer, labelled)
    given = {"": None, "held_out": [images for images, _ in batches], "training": labelled}

    def forward():
        for images, _ in batches:
            network.predict_on_batch(images)

    def score_and_select():
        chosen.mask(model, layer, KEPT.get(layer, 1 / 2), given[chosen.images])

    peaks = []
    for function in (forward, score_and_select):
        function()
        peaks.append(peak_memory())
    plain, scored = shortest(forward, score_and_select)
    return scored / plain, peaks[1] / peaks[0]


def measure_training(chosen, model, layer, batches):
    """Ratios of a training step under a criterion that works as training goes on."""

    def train():
        for images, y in batches:
            model.train_on_batch(images, y)

    train()
    (plain,), peak = shortest(train), peak_memory()
    callback = chosen.callback(layer, 1 / 2, steps=10**6)
    callback.set_model(model)
    callback.on_train_begin()
    train()
    (regularised,) = shortest(train)
    return regularised / plain, peak_memory() / peak


def shortest(*functions):
    """Shortest times of functions that run by turns."""
    times = [[] for _ in functions]
    for _ in range(REPEATS.value):
        for function, measured in zip(functions, times):
            start = time.perf_counter()
            function()
            measured.append(time.perf_counter() - start)
    return [min(measured) for measured in times]


def peak_memory():
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def build():
    """The network of Table 1, its supervised model, and batches (images, identities)."""
    keras.config.set_dtype_policy(dtype_policy(PRECISION.value))
    keras.utils.set_random_seed(0)
    network = baseline_network()
    network.jit_compile = False
    model = supervise(network, IDENTITIES.value)
    for layer in model.layers:
        if layer.name.endswith("_identity"):
            # As trained: from zero nothing would flow back.
            layer.kernel.assign(np.random.default_rng(0).normal(0, 0.05, layer.kernel.shape))
    model.compile(keras.optimizers.SGD(1e-6), jit_compile=False, **signals(model))
    rng = np.random.default_rng(0)
    batches = []
    for start in range(0, IMAGES.value, BATCH.value):
        number = min(BATCH.value, IMAGES.value - start) // 2 * 2
        images = rng.uniform(-1, 1, (number, *network.input_shape[1:])).astype(np.float32)
        batches.append((images, rng.integers(0, IDENTITIES.value, number)))
    return network, model, batches


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    if ONE.value:
        print(json.dumps(measure(*ONE.value.rsplit(":", 1))))
        return
    print("| criterion | layer | time | memory | goal |\n|---|---|---|---|---|")
    for name in CRITERIA.value or criteria():
        try:
            criterion(name).check()
        except ValueError as error:  # its package is an extra
            print(f"{name} was not measured: {error}", file=sys.stderr)
            continue
        for layer in LAYERS.value:
            command = [sys.executable, *sys.argv, f"--one={name}:{layer}"]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            seconds, memory = json.loads(output.strip().splitlines()[-1])
            goal = "≤ 6" if name.startswith("obd") else "≤ 2"
            print(f"| {name} | {layer} | {seconds:.2f} | {memory:.2f} | {goal} |", flush=True)


if __name__ == "__main__":
    app.run(main)
