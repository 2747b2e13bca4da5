"""The formats that a network can be exported in."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        module, exporter: where its `Exporter` is, and what it is called. It is imported when it is
            used, with the packages that it needs.
        extra: the extra of sparseface_tf that has these packages.
        settings: names of the settings of `Export` that only this format reads.
    """

    module: str
    exporter: str
    extra: str
    settings: tuple[str, ...]


FORMATS = {
    "tflite": Format(
        "sparseface_tf.export.tflite.exporter",
        "TFLiteExporter",
        "export",
        (
            "quantization",
            "input",
            "forms",
            "target",
            "calibration_data",
            "calibration_images",
            "compare",
            "seconds",
        ),
    ),
    "saved_model": Format(
        "sparseface_tf.export.saved_model.exporter",
        "SavedModelExporter",
        "serve",
        ("version", "recognition", "scorer", "warmup"),
    ),
}
