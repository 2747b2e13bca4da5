"""What an export is in any format: a network opened, compared with its copy, described."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sparseface_tf.channels import at_width
from sparseface_tf.embedding.embedder import check_names, open_embedder
from sparseface_tf.export.card import model_card, training_facts
from sparseface_tf.export.faces import some_faces
from sparseface_tf.export.formats import FORMATS
from sparseface_tf.export.network import CENTRE, EMBEDDING, IMAGE, SCALE, in_float32
from sparseface_tf.export.parity import Parity, compare
from sparseface_tf.export.settings import Export
from sparseface_tf.runs import run_of

# Seeds of the rendered faces: those of parity are not those of calibration, nor training's.
CALIBRATION, PARITY = 101, 102


class Exporter:
    """One export: `prepare` finds what a user may have got wrong, `run` does the work.

    Args:
        export: an `Export`.

    Attributes:
        title: what is written, as errors call it.
        embedder: the `Embedder` of the network that is exported.
        network: the network, computing in float32.
        faces: those that file and network are compared on, float32 (n, height, width, channels),
            normalised as for training.
    """

    title = "file"

    def __init__(self, export: Export):
        self.export = export

    def prepare(self) -> None:
        """Opens the network and draws the faces.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        export = self.export
        export.check()
        self.embedder = open_embedder(export.model, export.region, export.regions)
        if not isinstance(self.embedder.network, keras.Model):
            raise ValueError(f"{self.embedder.path} is exported already: give a .keras file.")
        check_names(self.embedder.network, self.embedder.path, first="[A-Za-z0-9.]")
        if export.at_width < 1:
            narrow = at_width(self.embedder.network, export.at_width, self._multiple())
            self.embedder = dataclasses.replace(self.embedder, network=narrow)
        self.network = in_float32(self.embedder.network)
        self.faces = some_faces(
            export.parity_data, export.parity_images, self.embedder.region, seed=PARITY
        )

    def run(self) -> str:
        """Makes the exported model, compares it with the network, and writes it.

        Returns:
            Path of what was written.

        Raises:
            ValueError: if it does not compute what the network computes; nothing is written.
            OSError: if it cannot be written.
        """
        raise NotImplementedError

    def features(self, network: Any, images: NDArray[Any]) -> NDArray[np.float32]:
        """What a network makes of images, float32 (n, features)."""
        parts = np.array_split(images, range(32, len(images), 32))
        return np.concatenate([np.asarray(network.predict_on_batch(p), np.float32) for p in parts])

    def parity(self, expected: NDArray[Any], found: NDArray[Any]) -> Parity:
        """The `Parity` of two sets of features; ValueError if it is below `--min_cosine`."""
        with self.comparing():
            measured = compare(expected, found)
            if not measured.cosine >= self.export.least_cosine:
                raise ValueError(f"{measured}; --min_cosine is {self.export.least_cosine:g}")
        return measured

    @contextlib.contextmanager
    def comparing(self) -> Iterator[None]:
        """Context in which a ValueError, without a full stop, says why nothing is written."""
        try:
            yield
        except ValueError as error:
            raise ValueError(
                f"Nothing is written, as the {self.title} does not compute what the network does: "
                f"{' '.join(str(error).split()) or type(error).__name__}."
            ) from None

    def trained_as(self) -> str:
        """The policies that the network's layers with weights have, such as "mixed_bfloat16"."""
        layers = self.embedder.network.layers
        return ", ".join(sorted({x.dtype_policy.name for x in layers if x.trainable_weights}))

    def width_facts(self) -> dict[str, str]:
        """What the card says about the channels, a dict of strings."""
        width = self.export.at_width
        return {"channels": f"the first {width:.4g} of each layer's"} if width < 1 else {}

    def _multiple(self):
        """What the run that the model lies in rounded numbers of channels to."""
        run = run_of(self.embedder.path)
        return run.settings().get("channel_multiple", 1) if run else 1

    def metadata(
        self, layers: list[dict[str, Any]], measured: Parity, pixels: bool = False
    ) -> dict[str, Any]:
        """What the exported model says about itself, see `litert.py`.

        Args:
            layers: list of dicts, what became of each layer.
            measured: `Parity`.
            pixels: whether it normalises pixels itself.
        """
        region = dataclasses.asdict(self.embedder.region)
        return {
            "version": 1,
            "region": region,
            "input": {
                "name": IMAGE,
                "type": "uint8" if pixels else "float32",
                "channels": "RGB" if region["channels"] == 3 else "grey",
                "normalisation": f"(pixel - {CENTRE}) / {SCALE}",
                "normalised_inside": pixels,
            },
            "output": {"name": EMBEDDING},
            "layers": layers,
            "parity": dataclasses.asdict(measured),
        }

    def card(self, facts: dict[str, str], interface: str) -> str:
        """The model card, Markdown.

        Args:
            facts: dict of strings about this export.
            interface: Markdown that says what goes in and comes out.
        """
        trained = training_facts(self.embedder.path, self.export.at_width)
        return model_card(self.embedder, trained, facts, interface)


def open_exporter(export: Export) -> Exporter:
    """The exporter of an `Export` that was checked.

    Raises:
        ValueError: if its packages are not installed.
    """
    found = FORMATS[export.format]
    try:
        return getattr(importlib.import_module(found.module), found.exporter)(export)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--format={export.format} needs the package {error.name}: "
            f"pip install 'sparseface_tf[{found.extra}]'."
        ) from None
