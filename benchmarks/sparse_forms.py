"""Time of LiteRT's products with dense and sparse weights, from which export.py estimates.

    python benchmarks/sparse_forms.py

Prints nanoseconds for a weight of a dense product, for a stored block of four and for a stored weight
of CSR, by size and density, in one thread: `Costs` of sparseface_tf/export/tflite/forms.py.
And what an operator of a position costs besides.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app, flags

from sparseface_tf.embedding.litert import time_in_child
from sparseface_tf.export.tflite import forms
from sparseface_tf.export.tflite.build import alone
from sparseface_tf.layers import MaskedDense, MaskedLocallyConnected2D

SECONDS = flags.DEFINE_float("seconds", 1.0, "How long each time is measured.")


def microseconds(layer, lowering, storage):
    content = alone(layer, forms.Form(lowering, storage, 0, 0.0))
    return 1e3 * time_in_child(content, seconds=SECONDS.value)["milliseconds"]


def main(_):
    generator = np.random.default_rng(0)
    for inputs, units in ((1536, 512), (4096, 1024)):
        layer = MaskedDense(units)
        layer(keras.Input((inputs,)))
        time = microseconds(layer, "layer", "dense")
        print(f"{inputs} x {units}, dense: {1e3 * time / (inputs * units):.3f} ns a weight")
        for share in (1 / 4, 1 / 16, 1 / 64):
            for block, storage in ((4, "blocks"), (1, "csr")):
                blocks = generator.random((inputs // block, units)) < share
                layer.kernel.assign(generator.standard_normal((inputs, units)))
                layer.assign_mask(np.repeat(blocks, block, 0))
                time = microseconds(layer, "layer", storage)
                each = 1e3 * time / blocks.sum()
                print(f"{inputs} x {units}, {share:.3f} as {storage}: {each:.3f} ns each")
                layer.assign_mask(np.ones((inputs, units)))
    layer = MaskedLocallyConnected2D(64, 3)
    layer(keras.Input((7, 6, 64)))
    layer.assign_mask(generator.random(layer.kernel.shape) < 1 / 128)
    one, many = (microseconds(layer, lowering, "csr") for lowering in ("layer", "positions"))
    print(f"a position: {(many - one) / 20:.2f} µs")


if __name__ == "__main__":
    app.run(main)
