"""Table 1's network as a TFLite file: size and time of dense and sparse, in every number format.

    python benchmarks/tflite.py [--scale=small]

The network of Table 1 at 1/256-f 1/128-5b 1/32-5a, masks of whole blocks of four inputs, drawn at
random like its weights (goals: at most 3.6 MB, and at least 6 times as fast as the dense float32
file, one thread, at a cosine of 0.999). Then what else could be saved: masks without blocks; 4b and 3b at
1/2; and the same beside MobileFaceNet, of as many features. Features are compared on noise. Run it on
an idle machine: times are medians.
"""

import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app, flags, logging

from pipelines.tables import markdown_table
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.tflite.build import build
from sparseface_tf.export.tflite.profile import profile
from sparseface_tf.export.tflite.report import count_others, file_table, measured_row
from sparseface_tf.export.tflite.theory import least_bytes
from sparseface_tf.networks import baseline_network
from sparseface_tf.networks.mobilefacenet import mobilefacenet
from sparseface_tf.tflite.flatbuffer import File
from sparseface_tf.tflite.inspection import sizes

SCALE = flags.DEFINE_enum("scale", "full", ["full", "small"], "Small tries the program out.")
SECONDS = flags.DEFINE_float("seconds", 5.0, "How long each time is measured.")
SPARSE = {"f": 1 / 256, "5b": 1 / 128, "5a": 1 / 32}
HALF = {**SPARSE, "4b": 1 / 2, "3b": 1 / 2}
GOAL = "1x4 blocks, int8 weights of convolutions"


@functools.cache
def network(block, sparse):
    """Table 1's network with random masks; `sparse` are pairs of layer and share."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    model = baseline_network()
    if SCALE.value == "small":
        model = baseline_network((56, 48, 3), width=0.25, study=True)
    for name, share in sparse:
        layer = model.get_layer(name)
        *rest, inputs, outputs = layer.kernel.shape
        keep = generator.random((*rest, inputs // block, outputs)) < share
        layer.assign_mask(np.repeat(keep, block, -2))
        # As strong a signal as before.
        layer.kernel.assign(layer.kernel / np.sqrt(share))
    return in_float32(model)


def row(title, model, quantization, sparse=True):
    """A row of the table, with the file."""
    images = np.random.default_rng(1).uniform(-1, 1, (32, *model.input_shape[1:]))
    images = images.astype(np.float32)
    expected = model.predict(images, verbose=0)
    content, layers = build(
        model, quantization, sparse=sparse, images=images[:16], quiet=True
    )
    least = least_bytes(layers, quantization, count_others(model, layers))
    return measured_row(title, content, least, SECONDS.value, images, expected), content


def main(_):
    logging.set_verbosity(logging.INFO)
    blocks = network(4, tuple(SPARSE.items()))
    half = network(4, tuple(HALF.items()))
    scattered = network(1, tuple(HALF.items()))
    peer = mobilefacenet(blocks.input_shape[1:], blocks.output_shape[-1])
    table, files = [], {}
    for title, model, quantization, sparse in (
        ("dense, float32", blocks, "none", False),
        ("dense, int8 weights", blocks, "dynamic", False),
        ("dense, int8", blocks, "int8", False),
        ("1x4 blocks, float32", blocks, "none", True),
        ("1x4 blocks, float16 convolutions", blocks, "float16", True),
        (GOAL, blocks, "dynamic", True),
        ("1x4 blocks, int8 convolutions", blocks, "int8", True),
        ("… and 1/2-4b 1/2-3b, float32", half, "none", True),
        ("… and 1/2-4b 1/2-3b, int8 convolutions", half, "int8", True),
        ("no blocks, and 1/2-4b 1/2-3b, float32", scattered, "none", True),
        ("no blocks, and 1/2-4b 1/2-3b, int8 convolutions", scattered, "int8", True),
        ("MobileFaceNet, float32", peer, "none", False),
        ("MobileFaceNet, int8", peer, "int8", False),
    ):
        measured, content = row(title, model, quantization, sparse)
        table.append(measured)
        logging.info("%s: %s", title, measured)  # should a later one fail
        files[title] = content
    print(file_table(table))
    names = [title for title in files if "dense" not in title and "Mobile" not in title]
    parts = {title: sizes(File(files[title])) for title in names}
    head = ["bytes of", *next(iter(parts.values()))]
    print(markdown_table([head] + [[t, *(f"{n:,}" for n in p.values())] for t, p in parts.items()]))
    print(f"Time by operator, {GOAL}:\n")
    for name, output, milliseconds in profile(files[GOAL], SECONDS.value / 5):
        print(f"{milliseconds:8.3f} ms  {name:16s} {output}")
    dense, small = table[0], next(one for one in table if one.title == GOAL)
    if not small.failure:
        print(
            f"\n{GOAL}: {small.size / 1e6:.2f} MB against {dense.size / 1e6:.2f} MB (goal: <= 3.6); "
            f"{dense.milliseconds[1] / small.milliseconds[1]:.1f} times as fast (goal: >= 6); cosine "
            f"{small.parity.cosine:.5f} (goal: >= 0.999)"
        )


if __name__ == "__main__":
    app.run(main)
