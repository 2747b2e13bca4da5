"""The report beside an exported file: sizes, times, memory, parity, layer by layer."""

import dataclasses
import gzip
import platform

import numpy as np
from absl import logging

from pipelines.tables import markdown_table
from sparseface_tf.embedding.litert import run_in_child, time_in_child
from sparseface_tf.export import parity
from sparseface_tf.export.network import CENTRE, SCALE, in_float32
from sparseface_tf.export.tflite.build import build
from sparseface_tf.export.tflite.profile import profile
from sparseface_tf.export.tflite.theory import least_bytes
from sparseface_tf.networks.mobilefacenet import mobilefacenet
from sparseface_tf.tflite.flatbuffer import File
from sparseface_tf.tflite.inspection import sizes

# What the file is compared with: (title, sparse, quantization).
VARIANTS = (
    ("dense, float32", False, "none"),
    ("dense, int8 weights", False, "dynamic"),
    ("dense, int8", False, "int8"),
    ("sparse, float32", True, "none"),
    ("sparse, float16 convolutions", True, "float16"),
    ("sparse, int8 weights of convolutions", True, "dynamic"),
    ("sparse, int8 convolutions", True, "int8"),
)


@dataclasses.dataclass
class Row:
    """A file in the table of sizes and times.

    Attributes:
        title: what it is.
        size, gzipped, least: bytes of the file, of the file gzipped, of `least_bytes`.
        milliseconds: median time of an image by threads, {1: …, 2: …}.
        peak_memory: bytes that loading and running it took, see `time_in_child`.
        parity: `Parity`, or None.
        failure: what went wrong, or "".
    """

    title: str
    size: int
    gzipped: int
    least: int
    milliseconds: dict
    peak_memory: int
    parity: parity.Parity | None
    failure: str = ""


class Report:
    """What is said about an export.

    Args:
        facts: dict of strings.
        layers: list of `Layer`.
        content: the file, bytes.
        network: the network in float32.
        images: faces as the file takes them.
        expected: the network's features of them.
        choices: dict from layers' names to `Choice`.
    """

    def __init__(self, facts, layers, content, network, images, expected, choices):
        self.facts, self.layers, self.content, self.choices = facts, layers, content, choices
        self.network, self.images, self.expected = network, images, expected
        self.rows, self.profile = [], []

    def measure(self, export, calibration):
        """Times the file and, by `export.compare`, what it is compared with."""
        pixels = export.input == "uint8"
        self.rows = [
            measured_row(
                "this file",
                self.content,
                least_bytes(
                    self.layers, export.quantization, count_others(self.network, self.layers)
                ),
                export.seconds,
                self.images,
                self.expected,
            )
        ]
        if not export.compare:
            return
        for title, sparse, quantization in VARIANTS:
            self._add(title, self.network, sparse, quantization, pixels, self.choices, calibration, export)
        peer = mobilefacenet(self.network.input_shape[1:], self.network.output_shape[-1])
        peer = in_float32(peer)
        for title, quantization in (("float32", "none"), ("int8", "int8")):
            title = f"MobileFaceNet, {title} (untrained)"
            self._add(title, peer, False, quantization, pixels, None, calibration, export)
        self.profile = profile(self.content, export.seconds / 4)

    def _add(self, title, network, sparse, quantization, pixels, choices, calibration, export):
        """Adds the row of one more file."""
        logging.info("Measuring: %s.", title)
        expected = self.expected
        if network is not self.network:
            images = self.images
            if pixels:
                images = ((images - CENTRE) / SCALE).astype(np.float32)
            expected = network.predict(images, verbose=0)
        content, layers = build(
            network,
            quantization,
            pixels=pixels,
            sparse=sparse,
            images=calibration,
            choices=choices,
            quiet=True,
        )
        if not sparse:
            layers = [dataclasses.replace(x, kept=x.weights, block_density=1.0) for x in layers]
        least = least_bytes(layers, quantization, count_others(network, layers))
        row = measured_row(title, content, least, export.seconds, self.images, expected)
        self.rows.append(row)

    def as_json(self):
        """Everything, for JSON."""
        return {
            "facts": self.facts,
            "machine": machine(),
            "bytes": sizes(File(self.content)),
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
            "forms": {
                name: [dataclasses.asdict(form) | {"taken": form is choice.form}
                       for form in choice.forms]
                for name, choice in self.choices.items()
            },
            "files": [dataclasses.asdict(row) for row in self.rows],
            "profile": [
                {"operator": name, "output": output, "milliseconds": time}
                for name, output, time in self.profile
            ],
        }

    def as_markdown(self):
        """The same for people."""
        text = "# TFLite export\n\n"
        text += "".join(f"* {name}: {value}\n" for name, value in self.facts.items())
        text += f"* machine: {machine()}\n\n## Files\n\n{file_table(self.rows)}\n"
        text += (
            "An image at a time, LiteRT with XNNPACK; medians. Memory is what loading and running "
            "the file adds to a process. The theoretical size is that of the weights kept, their "
            "places by an ideal code (log2 of the number of choices), and the biases.\n"
        )
        text += "\n## Bytes of this file\n\n"
        parts = sizes(File(self.content))
        text += markdown_table([["what", "bytes"], *([k, f"{v:,}"] for k, v in parts.items())])
        text += "\n## Layers\n\n" + layer_table(self.layers)
        text += "\n## Forms that the layers could have taken\n\n" + form_table(self.choices)
        if self.profile:
            text += "\n## Time by operator\n\n"
            text += markdown_table(
                [["operator", "output", "ms"]]
                + [[name, output.replace("|", "\\|"), f"{t:.3f}"] for name, output, t in self.profile]
            )
            text += (
                "\nWhat the graph takes longer with an operator than without, one thread, the "
                "fastest of the runs. 0.000: too short to measure beside its neighbours.\n"
            )
        return text


def measured_row(title, content, least, seconds, images=None, expected=None):
    """Measures a file.

    Args:
        title, least: see `Row`.
        content: the file, bytes.
        seconds: how long each time is measured.
        images, expected: images as the file takes them and the features to compare with, or None.

    Returns:
        `Row`; one that says so if LiteRT fails on the file.
    """
    row = Row(title, len(content), len(gzip.compress(content, 9, mtime=0)), least, {}, 0, None)
    try:
        if images is not None:
            row.parity = parity.compare(expected, run_in_child(content, images))
        for threads in (1, 2):
            measured = time_in_child(content, threads, seconds)
            row.milliseconds[threads] = measured["milliseconds"]
            row.peak_memory = max(row.peak_memory, measured["peak_memory"])
    except ValueError as error:
        row.failure = str(error)
    return row


def file_table(rows):
    """Sizes and times of `Row`s as a Markdown table."""
    head = ["file", "MB", "gzipped", "theoretical", "ms, 1 thread", "ms, 2 threads", "MB of memory",
            "cosine", "worst", "largest error"]  # fmt: skip
    table = [head]
    for row in rows:
        cells = [row.title, *(f"{n / 1e6:.3f}" for n in (row.size, row.gzipped, row.least))]
        cells += [f"{row.milliseconds[n]:.3f}" if n in row.milliseconds else "–" for n in (1, 2)]
        cells.append(f"{row.peak_memory / 1e6:.1f}")
        if row.parity:
            cells += [f"{row.parity.cosine:.6f}", f"{row.parity.worst_cosine:.6f}"]
            cells.append(f"{row.parity.largest_error:.2g}")
        else:
            cells += [row.failure or "–", "–", "–"]
        table.append(cells)
    return markdown_table(table)


def layer_table(layers):
    """What became of each `Layer`, as a Markdown table."""
    table = [["layer", "weights", "kept", "of blocks", "stored", "bytes", "how, and why"]]
    for x in layers:
        table.append(
            [
                x.name,
                f"{x.weights:,}",
                f"{x.kept / x.weights:.3%}",
                f"{x.block_density:.3%}",
                x.stored,
                f"{x.bytes:,}",
                x.reason,
            ]
        )
    return markdown_table(table)


def form_table(choices):
    """The forms of each layer's `Choice`, as a Markdown table."""
    table = [["layer", "form", "µs", "bytes", ""]]
    for name, choice in choices.items():
        for form in sorted(choice.forms, key=lambda form: form.microseconds):
            taken = "taken" if form is choice.form else ""
            time = f"{form.microseconds:,.1f}"
            table.append([name, form.title, time, f"{form.size:,}", taken])
    return markdown_table(table)


def count_others(network, layers):
    """Numbers of a network that are no kernel of the `Layer`s: biases, normalisations."""
    trained = sum(np.prod(weight.shape) for weight in network.trainable_weights)
    return int(trained) - sum(layer.weights for layer in layers)


def machine():
    """The processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()
