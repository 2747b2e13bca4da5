"""From a trained network to a TFLite file with its report: what export.py does."""

import dataclasses
import os

import keras
import numpy as np
from absl import logging

from pipelines.files import write_atomically, write_json
from sparseface_tf.channels import at_width
from sparseface_tf.embedder import TFLITE, open_embedder
from sparseface_tf.export import lowering, parity, report, tflite
from sparseface_tf.export.faces import some_faces
from sparseface_tf.export.flatbuffer import File
from sparseface_tf.export.litert import METADATA, run_in_child, to_pixels

# Seeds of the rendered faces: those of parity are not those of calibration, nor training's.
CALIBRATION, PARITY = 101, 102


class TFLiteExporter:
    """One export: `prepare` finds what a user may have got wrong, `run` does the work.

    Args:
        export: an `Export`.
    """

    def __init__(self, export):
        self.export = export

    def prepare(self):
        """Opens the network and draws the faces.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        export = self.export
        export.check()
        self.embedder = open_embedder(export.model, export.region, export.regions)
        if not isinstance(self.embedder.network, keras.Model):
            raise ValueError(f"{self.embedder.path} is exported already: give a .keras file.")
        if export.at_width < 1:
            narrow = at_width(self.embedder.network, export.at_width)
            self.embedder = dataclasses.replace(self.embedder, network=narrow)
        self.network = lowering.in_float32(self.embedder.network)
        region = self.embedder.region
        self.images = self._as_taken(
            some_faces(export.parity_data, export.parity_images, region, seed=PARITY)
        )
        self.calibration = None
        if export.quantization == "int8" or export.compare:
            same = export.calibration_data == export.parity_data != "synthetic"
            self.calibration = self._as_taken(
                some_faces(
                    export.calibration_data,
                    export.calibration_images,
                    region,
                    seed=PARITY if same else CALIBRATION,
                    skip=export.parity_images if same else 0,
                )
            )
        os.makedirs(os.path.expanduser(export.output), exist_ok=True)

    def run(self):
        """Builds the file, compares it with the network, and writes it with its report.

        Returns:
            Path of the file.

        Raises:
            ValueError: if the file does not compute what the network computes; nothing is written.
            OSError: if it cannot be written.
        """
        export = self.export
        choices = tflite.choose_forms(self.network, export.forms == "measured")
        content, layers = tflite.build(
            self.network,
            export.quantization,
            pixels=export.input == "uint8",
            images=self.calibration,
            choices=choices,
        )
        expected = self._expected(self.network)
        found = self._found(content)
        measured = self._parity(expected, found)
        trained = parity.compare(self._expected(self.embedder.network), found)
        logging.info("Parity with the network: %s.", measured)
        file = File(content)
        file.set_metadata(METADATA, self._metadata(layers, measured))
        content = file.content()
        # What is written is what was compared, but for what it says of itself.
        if not np.array_equal(self._found(content[:]), found):
            raise ValueError("The file with its metadata gives other features than without.")
        facts = {
            "model": self.embedder.path,
            "computed in training as": ", ".join(
                sorted({layer.dtype_policy.name for layer in self.embedder.network.layers
                        if layer.trainable_weights})  # fmt: skip
            ),
            "region": self.embedder.region.name,
            "share of the channels": f"{export.at_width:g}",
            "input": f"image, {export.input} {file.shape(file.inputs()[lowering.IMAGE])}",
            "quantization": export.quantization,
            "parity on": f"{len(self.images)} faces of {export.parity_data}",
            "parity with the network in float32": str(measured),
            "parity with the network as it was trained": str(trained),
        }
        written = report.Report(
            facts, layers, content, self.network, self.images, expected, choices
        )
        written.measure(export, self.calibration)
        return self._write(content, written)

    def _expected(self, network):
        images = self.images
        if images.dtype == np.uint8:
            images = ((images - lowering.CENTRE) / lowering.SCALE).astype(np.float32)
        parts = np.array_split(images, range(32, len(images), 32))
        return np.concatenate([np.asarray(network.predict_on_batch(p), np.float32) for p in parts])

    def _found(self, content):
        try:
            return run_in_child(content, self.images)
        except ValueError as error:
            raise ValueError(f"{self._failed()}: {error}.") from None

    def _parity(self, expected, found):
        try:
            measured = parity.compare(expected, found)
        except ValueError as error:
            raise ValueError(f"{self._failed()}: {error}.") from None
        if not measured.cosine >= self.export.least_cosine:
            raise ValueError(
                f"{self._failed()}: {measured}; --min_cosine is {self.export.least_cosine:g}."
            )
        return measured

    def _failed(self):
        return (
            "Nothing is written, as the file does not compute what the network does "
            f"(--quantization={self.export.quantization})"
        )

    def _as_taken(self, images):
        """Images as the file takes them."""
        return to_pixels(images) if self.export.input == "uint8" else images

    def _metadata(self, layers, measured):
        """What the file says about itself, see `litert.py`."""
        region = dataclasses.asdict(self.embedder.region)
        return {
            "version": 1,
            "region": region,
            "input": {
                "name": lowering.IMAGE,
                "type": self.export.input,
                "channels": "RGB" if region["channels"] == 3 else "grey",
                "normalisation": f"(pixel - {lowering.CENTRE}) / {lowering.SCALE}",
                "normalised_inside": self.export.input == "uint8",
            },
            "output": {"name": lowering.EMBEDDING},
            "quantization": self.export.quantization,
            "layers": [
                {
                    "name": layer.name,
                    "density": layer.kept / layer.weights,
                    "mask_sha256": layer.mask,
                    "stored": layer.stored,
                }
                for layer in layers
            ],
            "parity": dataclasses.asdict(measured),
        }

    def _write(self, content, written):
        folder = os.path.expanduser(self.export.output)
        path = os.path.join(folder, TFLITE)
        write_json(os.path.join(folder, "report.json"), written.as_json())
        text = written.as_markdown()
        write_atomically(
            os.path.join(folder, "report.md"), lambda file: file.write(text.encode("utf-8"))
        )
        write_atomically(path, lambda file: file.write(content))
        print(text)
        return path
