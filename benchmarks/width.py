"""Speed of a network by its width: does the time fall with the multiply-adds?

    python benchmarks/width.py [--network=vgg16] [--width_multiplier=0.5] [--scale=small]

A network with random weights at 100, 75, 50 and 25 % of its channels: parameters, multiply-adds,
the time of one image by Keras in --precision and by LiteRT with int8 weights and maps, one thread
both, and what the time is of the whole network's beside what the multiply-adds are. A
--model=FILE.keras is taken in place of random weights; --peers adds MobileFaceNet, MobileNet and
SqueezeNet. Run it on an idle machine: times are medians.
"""

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import numpy as np
from absl import app, flags

from pipelines.tables import markdown_table
from sparseface_tf.channels import at_width
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.embedding.litert import time_in_child
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.tflite.build import build
from sparseface_tf.networks import build_network
from sparseface_tf.networks.counts import count, counts_at_width, total
from sparseface_tf.training.precision import dtype_policy

NETWORK = flags.DEFINE_enum("network", "vgg16", ["vgg16", "baseline", "deepid2plus"], "Which one.")
MODEL = flags.DEFINE_string("model", "", "A trained one instead.")
MULTIPLIER = flags.DEFINE_float("width_multiplier", 1.0, "Multiplies its maps at 100 %.")
WIDTHS = flags.DEFINE_list("widths", ["1", "0.75", "0.5", "0.25"], "Shares of the channels.")
PRECISION = flags.DEFINE_string("precision", "auto", "What Keras computes in.")
PEERS = flags.DEFINE_bool("peers", False, "MobileFaceNet, MobileNet and SqueezeNet too.")
SCALE = flags.DEFINE_enum("scale", "full", ["full", "small"], "Small tries the program out.")
MULTIPLE = flags.DEFINE_integer(
    "channel_multiple", 1, "As of train.py: the channels of a layer are a multiple of it."
)
SECONDS = flags.DEFINE_float("seconds", 5.0, "How long each time is measured.")


def keras_milliseconds(model, seconds):
    """Median time of one image."""
    image = np.random.default_rng(0).uniform(-1, 1, (1, *model.input_shape[1:])).astype("float32")
    times, end = [], None
    while end is None or time.monotonic() < end:
        start = time.perf_counter()
        model.predict_on_batch(image)
        times.append(1e3 * (time.perf_counter() - start))
        # The first one compiles.
        end = end or time.monotonic() + seconds
    return statistics.median(times[1:] or times)


def int8_file(model):
    """The network with int8 weights and maps, its ranges from noise."""
    images = np.random.default_rng(1).uniform(-1, 1, (8, *model.input_shape[1:]))
    content, _ = build(
        in_float32(model), "int8", images=images.astype("float32"), quiet=True
    )
    return content


def network(name):
    keras.utils.set_random_seed(0)
    size = (112, 96, 3) if name != "deepid2plus" else (55, 47, 3)
    if SCALE.value == "small":
        size = (80, 80, 3) if name == "baseline" else (48, 48, 3)
    normalization = name in ("baseline", "deepid2plus")
    width = MULTIPLIER.value if name == NETWORK.value else 1.0
    return build_network(name, size, width=width, normalization=normalization)


def row(title, model, counted, first):
    """A row of the table; `first` holds the numbers of the row that it is compared with."""
    content = int8_file(model)
    numbers = {
        "adds": counted.multiply_adds,
        "keras": keras_milliseconds(model, SECONDS.value),
        "int8": time_in_child(content, seconds=SECONDS.value)["milliseconds"],
    }
    first = first or numbers
    shares = {name: value / first[name] for name, value in numbers.items()}
    cells = [
        title,
        f"{counted.parameters / 1e6:.2f} M",
        f"{counted.multiply_adds / 1e9:.3f} G",
        f"{len(content) / 1e6:.2f} MB",
        f"{numbers['keras']:.2f} ms",
        f"{numbers['int8']:.2f} ms",
        f"{shares['adds']:.2f}",
        f"{shares['keras']:.2f}",
        f"{shares['int8']:.2f}",
        f"{shares['int8'] / shares['adds']:.2f}",
    ]
    return cells, first


def main(argv):
    keras.config.set_dtype_policy(dtype_policy(PRECISION.value))
    policy = keras.config.dtype_policy().name
    titles = ["network", "parameters", "multiply-adds", "int8 file", f"Keras, {policy}"]
    titles += ["LiteRT, int8", "multiply-adds, of the whole", "Keras", "LiteRT"]
    rows = [[*titles, "LiteRT / multiply-adds"]]
    model = open_embedder(MODEL.value).network if MODEL.value else network(NETWORK.value)
    first = None
    for width in map(float, WIDTHS.value):
        narrow = at_width(model, width, MULTIPLE.value)
        counted = total(counts_at_width(model, width, MULTIPLE.value))
        cells, first = row(f"{model.name} at {100 * width:g} %", narrow, counted, first)
        rows.append(cells)
    for name in ("mobilefacenet", "mobilenet", "squeezenet") if PEERS.value else ():
        peer = network(name)
        rows.append(row(name, peer, total(count(peer)), first)[0])
    print(markdown_table(rows))


if __name__ == "__main__":
    app.run(main)
