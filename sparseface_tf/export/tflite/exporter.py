"""From a trained network to a TFLite file with its report."""

import os
import platform

import numpy as np
from absl import logging

from pipelines.files import json_text, write_together
from sparseface_tf.embedding.embedder import TFLITE
from sparseface_tf.embedding.litert import METADATA, run_in_child, to_pixels
from sparseface_tf.export import parity
from sparseface_tf.export.card import CARD, source_name
from sparseface_tf.export.exporter import CALIBRATION, PARITY, Exporter
from sparseface_tf.export.faces import some_faces
from sparseface_tf.export.network import CENTRE, IMAGE, SCALE
from sparseface_tf.export.tflite import forms, report
from sparseface_tf.export.tflite.build import build, choose_forms
from sparseface_tf.tflite.flatbuffer import File

INTERFACE = """\
One signature for [LiteRT](https://ai.google.dev/edge/litert), one image at a time:

| input | | output | |
|---|---|---|---|
| `image` | {image} | `embedding` | float32 {embedding} |
"""


class TFLiteExporter(Exporter):
    """See `Exporter`."""

    def prepare(self):
        super().prepare()
        export = self.export
        self.images = self._as_taken(self.faces)
        self.calibration = None
        if export.quantization == "int8" or export.compare:
            same = export.calibration_data == export.parity_data != "synthetic"
            self.calibration = self._as_taken(
                some_faces(
                    export.calibration_data,
                    export.calibration_images,
                    self.embedder.region,
                    seed=PARITY if same else CALIBRATION,
                    skip=export.parity_images if same else 0,
                )
            )
        os.makedirs(os.path.expanduser(export.output), exist_ok=True)

    def run(self):
        export = self.export
        choices = choose_forms(self.network, export.forms == "measured", export.target)
        content, layers = build(
            self.network,
            export.quantization,
            pixels=export.input == "uint8",
            images=self.calibration,
            choices=choices,
        )
        # What the file makes of pixels, the network is to make of the same pixels.
        images = self.images
        if images.dtype == np.uint8:
            images = ((images - CENTRE) / SCALE).astype(np.float32)
        expected = self.features(self.network, images)
        found = self._found(content)
        measured = self.parity(expected, found)
        trained = parity.compare(self.features(self.embedder.network, images), found)
        logging.info("Parity with the network: %s.", measured)
        file = File(content)
        file.set_metadata(METADATA, self._metadata(layers, measured))
        content = file.content()
        # What is written is what was compared, but for what it says of itself.
        if not np.array_equal(self._found(content[:]), found):
            raise ValueError("The file with its metadata gives other features than without.")
        facts = {
            "model": self.embedder.path,
            "computed in training as": self.trained_as(),
            **self.width_facts(),
            "region": self.embedder.region.name,
            "input": f"image, {export.input} {file.shape(file.inputs()[IMAGE])}",
            "quantization": export.quantization,
            "forms of layers chosen by": self.rule(),
            "parity on": f"{len(self.images)} faces of {source_name(export.parity_data)}",
            "parity with the network in float32": str(measured),
            "parity with the network as it was trained": str(trained),
        }
        written = report.Report(
            facts, layers, content, self.network, self.images, expected, choices
        )
        written.measure(export, self.calibration)
        return self._write(content, written)

    @property
    def title(self):
        return f"file (--quantization={self.export.quantization})"

    def rule(self):
        """What chose the forms of sparse layers, in words."""
        if self.export.forms == "measured":
            return f"times measured on this machine ({platform.machine()}) (--forms=measured)"
        return f"{forms.TARGETS[self.export.target].rule} (--target={self.export.target})"

    def _found(self, content):
        with self.comparing():
            return run_in_child(content, self.images)

    def _as_taken(self, images):
        """Images as the file takes them."""
        return to_pixels(images) if self.export.input == "uint8" else images

    def _metadata(self, layers, measured):
        """What the file says about itself, see `litert.py`."""
        layers = [
            {
                "name": layer.name,
                "density": layer.kept / layer.weights,
                "mask_sha256": layer.mask,
                "stored": layer.stored,
            }
            for layer in layers
        ]
        about = self.metadata(layers, measured, pixels=self.export.input == "uint8")
        return about | {"quantization": self.export.quantization}

    def _write(self, content, written):
        folder = os.path.expanduser(self.export.output)
        text = written.as_markdown()
        height, width, channels = self.images.shape[1:]
        interface = INTERFACE.format(
            image=f"{self.export.input} (1, {height}, {width}, {channels})",
            embedding=f"(1, {self.network.output_shape[-1]})",
        )
        facts = {name: value for name, value in written.facts.items() if name != "model"}
        files = {
            "report.json": json_text(written.as_json()).encode("utf-8"),
            "report.md": text.encode("utf-8"),
            CARD: self.card(facts, interface).encode("utf-8"),
            TFLITE: content,
        }
        write_together(folder, files)
        print(text)
        return os.path.join(folder, TFLITE)
