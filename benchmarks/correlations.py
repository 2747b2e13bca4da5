"""Cost of the correlations of f, 5b and 4b, against a forward pass and against NumPy.

    python benchmarks/correlations.py [--images=512] [--precision=mixed_bfloat16]

Prints, all measured in one run on the network of Table 1:
  the time of one pass for the three layers together over that of a plain forward pass to f over
  the same images (goal: at most 2);
  the time of gathering the activations of 4b and calling numpy.corrcoef position by position
  over that of `layer_correlations` (goal: at least 20), both without the forward pass, and the
  largest difference between the two.
"""

import time

import keras
import numpy as np
from absl import app, flags

from sparseface_tf.networks import baseline_network
from sparseface_tf.sparsify import CorrelationStatistics, layer_geometry, network_correlations
from sparseface_tf.sparsify.correlations import neuron_activations

_IMAGES = flags.DEFINE_integer("images", 512, "Number of images.", lower_bound=2)
_BATCH = flags.DEFINE_integer("batch", 64, "Images in one forward pass.", lower_bound=1)
_PRECISION = flags.DEFINE_string("precision", "mixed_bfloat16", "Keras dtype policy.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "The best of that many runs counts.", lower_bound=1)
_ROW = flags.DEFINE_integer("rows", 2, "Rows of 4b's map that NumPy is timed on.", lower_bound=1)

LAYERS = ("f", "5b", "4b")


def seconds(function):
    """The shortest time of a few runs, after one that is not counted."""
    times = []
    for _ in range(_REPEATS.value + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def forward(model, images):
    for start in range(0, len(images), _BATCH.value):
        model.predict_on_batch(images[start : start + _BATCH.value])


def correlations_with_numpy(inputs, outputs, rows):
    """Eq. 2 over some rows of a 3x3 'same' convolution's map, one position at a time."""
    inputs = np.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = 0
    for y in range(rows):
        for x in range(outputs.shape[2]):
            window = inputs[:, y : y + 3, x : x + 3].reshape(len(inputs), -1)
            fan_in = window.shape[1]
            with np.errstate(invalid="ignore", divide="ignore"):
                r = np.corrcoef(window, outputs[:, y, x], rowvar=False)[:fan_in, fan_in:]
            total = total + np.abs(np.nan_to_num(r))
    return total


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    keras.config.set_dtype_policy(_PRECISION.value)
    keras.utils.set_random_seed(0)
    model = baseline_network()
    if keras.backend.backend() == "tensorflow":
        model.jit_compile = False
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (_IMAGES.value, *model.input_shape[1:])).astype(np.float32)

    plain = seconds(lambda: forward(model, images))
    one_pass = seconds(
        lambda: network_correlations(model, LAYERS, images, batch_size=_BATCH.value)
    )
    print(f"plain forward pass           {plain:8.2f} s  {len(images) / plain:7.0f} images/s")
    print(f"correlations of f, 5b and 4b {one_pass:8.2f} s  {len(images) / one_pass:7.0f} images/s")
    print(f"ratio {one_pass / plain:.2f} (goal: at most 2)")

    tapped = keras.Model(model.inputs, neuron_activations(model, "4b"))
    inputs, outputs = (np.asarray(a, np.float32) for a in tapped.predict(images, verbose=0))
    geometry = layer_geometry(model.get_layer("4b"))
    rows = min(_ROW.value, geometry.outputs[0])

    def ours():
        statistics = CorrelationStatistics(geometry, rows=(0, rows))
        statistics.update(inputs, outputs)
        return statistics.result()

    def theirs():
        return correlations_with_numpy(inputs, outputs, rows)

    fast, start = seconds(ours), time.perf_counter()
    reference = theirs()
    slow = time.perf_counter() - start
    difference = np.abs(ours().reshape(reference.shape) - reference).max()
    positions = rows * geometry.outputs[1]
    print(f"4b, numpy.corrcoef           {slow / positions * 1000:8.2f} ms a position")
    print(f"4b, CorrelationStatistics    {fast / positions * 1000:8.2f} ms a position")
    print(f"ratio {slow / fast:.1f} (goal: at least 20)")
    print(f"largest difference of a mean |r| {difference / positions:.1e}")


if __name__ == "__main__":
    app.run(main)
