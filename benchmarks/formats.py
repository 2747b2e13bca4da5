"""The same network as Keras, SavedModel and TFLite: size, time of a face, and memory.

    python benchmarks/formats.py --model=keras=runs/phone --model=savedmodel=runs/face_server
        --model=tflite=saved_models/face

Each file is opened in a process of its own as evaluate.py and recognize.py open it and embeds one
face after the other, with one thread and with two: what a Python program waits for, its call
included. A Keras model is timed as it was trained and in float32. MobileFaceNet of as many features,
untrained, is timed beside them. Run it on an idle machine: times are medians.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import app, flags

from pipelines.tables import markdown_table
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.embedding.litert import LiteRTNetwork
from sparseface_tf.embedding.litert_worker import peak_memory
from sparseface_tf.export.network import in_float32
from sparseface_tf.networks.mobilefacenet import mobilefacenet

MODEL = flags.DEFINE_multi_string("model", [], "NAME=PATH of a trained network, in any format.")
SECONDS = flags.DEFINE_float("seconds", 5.0, "How long each time is measured.")
_JOB = flags.DEFINE_string("job", "", "What a child process times.")


def size(path):
    """Bytes of a file, or of what is in a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
    )


def measure(path, threads, float32):
    """Times one file in this process; prints JSON."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    before = peak_memory()
    embedder = open_embedder(path)
    network = embedder.network
    dtype = "float32"
    if isinstance(network, LiteRTNetwork):
        with open(embedder.path, "rb") as file:
            network = LiteRTNetwork(file.read(), threads=threads)
        dtype = ""
    elif isinstance(network, keras.Model):
        dtypes = {layer.dtype_policy.name for layer in network.layers}
        dtype = "mixed_bfloat16" if "mixed_bfloat16" in dtypes else "float32"
        if float32:
            network, dtype = in_float32(network), "float32"
    shape = (1, *network.input_shape[1:])
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    for _ in range(5):
        network.predict_on_batch(image)
    times, end = [], time.perf_counter() + SECONDS.value
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        network.predict_on_batch(image)
        times.append(time.perf_counter() - start)
    p50, p95 = 1e3 * np.percentile(times, [50, 95])
    found = {"p50": p50, "p95": p95, "dtype": dtype, "features": network.output_shape[-1]}
    found |= {"shape": shape[1:], "size": size(embedder.path)}
    print(json.dumps(found | {"memory": peak_memory() - before}))


def in_child(path, threads, float32=False):
    """What `measure` prints in a process of its own."""
    job = json.dumps([os.fspath(path), threads, float32])
    child = subprocess.run(
        [sys.executable, __file__, f"--seconds={SECONDS.value}", f"--job={job}"],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(child.stdout.splitlines()[-1])


def row(name, path, float32=False):
    """A line of the table, and what one thread measured."""
    one, two = (in_child(path, threads, float32) for threads in (1, 2))
    title = f"{name}, {one['dtype']}" if one["dtype"] else name
    cells = [title, f"{one['size'] / 1e6:.3f}", f"{one['p50']:.1f}", f"{one['p95']:.1f}"]
    return [*cells, f"{two['p50']:.1f}", f"{two['p95']:.1f}", f"{one['memory'] / 1e6:.0f}"], one


def main(_):
    if _JOB.value:
        return measure(*json.loads(_JOB.value))
    if not MODEL.value:
        raise app.UsageError("Give --model=NAME=PATH, once for each network.")
    head = ["network", "MB", "ms, 1 thread", "p95", "ms, 2 threads", "p95", "MB of memory"]
    table = [head]
    for model in tqdm.tqdm(MODEL.value, leave=False):
        name, path = model.split("=", 1)
        cells, found = row(name, path)
        table.append(cells)
        if found["dtype"] == "mixed_bfloat16":
            table.append(row(name, path, float32=True)[0])
    with tempfile.TemporaryDirectory() as folder:
        peer = os.path.join(folder, "model.keras")
        in_float32(mobilefacenet(found["shape"], found["features"])).save(peer)
        table.append(row("MobileFaceNet in Keras", peer)[0])
    print(markdown_table(table))


if __name__ == "__main__":
    app.run(main)
