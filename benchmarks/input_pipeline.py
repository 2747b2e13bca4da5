"""Speed and memory of the input pipeline, against what training consumes.

    python benchmarks/input_pipeline.py [--data=DIR] [--precision=auto]

Prints, all measured in one run:
  images/s of `pair_batches` (read, decode, align, pair) from a folder, by default of JPEG files
  rendered for the purpose, over images/s of training the network of Table 1 (goal: at least 2);
  the peak memory of a process that trains the study network, dense and sparse, on the folder, over
  that of one that trains on a quarter of its identities (goal: 1; names and landmarks grow, a few
  hundred bytes an image, and nothing else).
"""

import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from pipelines.batches.batches import pair_batches
from pipelines.faces.landmarks import NUMBERS
from pipelines.faces.regions import WHOLE_FACE
from pipelines.sources.folder import FolderFaces
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.networks import baseline_network
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.precision import dtype_policy
from sparseface_tf.training.stages import Stages

_DATA = flags.DEFINE_string("data", "", "Folder IDENTITY/IMAGE; default: rendered faces.")
_IDENTITIES = flags.DEFINE_integer("identities", 64, "Rendered identities.", lower_bound=2)
_IMAGES = flags.DEFINE_integer("images", 20, "Rendered images an identity.", lower_bound=2)
_PAIRS = flags.DEFINE_integer("pairs", 64, "Pairs in a mini-batch.", lower_bound=2)
_WIDTH = flags.DEFINE_integer("width", 96, "Width of the network's input, in pixels.")
_STUDY = flags.DEFINE_bool("study", False, "The study network (use with --width=48).")
_PRECISION = flags.DEFINE_string("precision", "auto", "Keras dtype policy, or auto as in train.py.")
_BATCHES = flags.DEFINE_integer("batches", 30, "Mini-batches to time.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 3, "Training steps to time; 0: leave training out.")
_MEMORY = flags.DEFINE_bool("memory", True, "Measure the memory too.")
_PEAK_OF = flags.DEFINE_string(
    "peak_of", "", "Only train on that folder once and print the peak memory, in KiB."
)


def render(folder):
    """Writes rendered faces as a folder of JPEG files with their landmarks."""
    faces = SyntheticFaces(_IDENTITIES.value, _IMAGES.value)
    pictures = tf.data.Dataset.range(len(faces)).map(
        lambda i: (i, *faces.load(i)), num_parallel_calls=tf.data.AUTOTUNE
    )
    with open(os.path.join(folder, "landmarks.csv"), "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", *NUMBERS])
        for i, image, landmarks in pictures.as_numpy_iterator():
            name = os.path.splitext(faces.name(i))[0] + ".jpg"
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            encoded = tf.io.encode_jpeg(image, quality=90)
            tf.io.write_file(os.path.join(folder, name), encoded)
            table.writerow([name, *landmarks.ravel().round(1)])


def quarter(folder, target):
    """Every fourth identity of a folder, as links."""
    for identity in FolderFaces(folder, landmarks=None).identities[::4]:
        link = os.path.join(target, identity)
        os.symlink(os.path.abspath(os.path.join(folder, identity)), link)
    if os.path.exists(os.path.join(folder, "landmarks.csv")):
        shutil.copy(os.path.join(folder, "landmarks.csv"), target)


def endless_pairs(faces):
    return pair_batches(faces, pairs=_PAIRS.value, region=WHOLE_FACE.scaled(_WIDTH.value))


def pipeline_speed(faces):
    """Images a second, after a few batches that start the threads."""
    batches = iter(endless_pairs(faces))
    for _ in range(5):
        next(batches)
    start = time.perf_counter()
    for _ in range(_BATCHES.value):
        next(batches)
    # Batches that lay ready when the clock was started are few against those timed.
    return _BATCHES.value * 2 * _PAIRS.value / (time.perf_counter() - start)


def training_speed(identities):
    """Images a second of training on one batch, which lies in memory."""
    keras.config.set_dtype_policy(dtype_policy(_PRECISION.value))
    face = WHOLE_FACE.scaled(_WIDTH.value)
    shape = (face.height, face.width, face.channels)
    network = baseline_network(shape, study=_STUDY.value)
    outputs = keras.layers.Dense(identities, dtype="float32")(network.output)
    model = keras.Model(network.input, outputs)
    model.compile(
        "adamw",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (2 * _PAIRS.value, *shape)).astype(np.float32)
    labels = generator.integers(0, identities, 2 * _PAIRS.value)
    model.train_on_batch(images, labels)
    start = time.perf_counter()
    for _ in range(_STEPS.value):
        model.train_on_batch(images, labels)
    return _STEPS.value * len(images) / (time.perf_counter() - start)


def peak_memory(folder):
    """Peak memory of a process of its own that trains on a folder, in MiB."""
    command = [sys.executable, __file__, f"--peak_of={folder}", f"--pairs={_PAIRS.value}"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(printed.split()[-1]) / 1024


def print_peak(folder):
    """Trains a small network as train.py does, with a sparse stage, and prints what it took."""
    with tempfile.TemporaryDirectory() as output:
        experiment = Experiment.of(
            data=folder,
            output=output,
            study=True,
            width=48,
            width_multiplier=1 / 8,
            pairs=_PAIRS.value,
            epochs=1.0,
            retrain_epochs=1.0,
            sparsify=["1/16-f"],
            held_out_pairs=200,
            correlation_images=200,
        )
        with Stages(experiment) as stages:
            stages.prepare()
            stages.run()
    print(own_peak_memory())


def own_peak_memory():
    """Peak memory of this process, in KiB."""
    # ru_maxrss starts at the memory of the process that started this one; Linux tells its own.
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status", encoding="utf-8") as file:
            return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    if _PEAK_OF.value:
        print_peak(_PEAK_OF.value)
        return
    with tempfile.TemporaryDirectory() as temporary:
        data = _DATA.value
        if not data:
            data = os.path.join(temporary, "faces")
            os.mkdir(data)
            render(data)
        faces = FolderFaces(data)
        pipeline = pipeline_speed(faces)
        print(f"input pipeline  {pipeline:8.0f} images/s")
        if _STEPS.value:
            training = training_speed(len(faces.identities))
            print(f"training        {training:8.0f} images/s in {keras.config.dtype_policy().name}")
            print(f"ratio {pipeline / training:.1f} (goal: at least 2)")
        if _MEMORY.value:
            smaller = os.path.join(temporary, "quarter")
            os.mkdir(smaller)
            quarter(data, smaller)
            once, more = peak_memory(smaller), peak_memory(data)
            print(f"peak memory     {once:8.0f} MiB with {len(FolderFaces(smaller))} images")
            print(f"                {more:8.0f} MiB with {len(faces)} images")
            print(f"ratio {more / once:.2f} (goal: 1)")


if __name__ == "__main__":
    app.run(main)
