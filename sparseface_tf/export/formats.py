"""The exporters by format."""

import importlib

# Module and class, and the extra that has the packages they need.
EXPORTERS = {
    "tflite": ("tflite.exporter", "TFLiteExporter", "export"),
    "saved_model": ("saved_model.exporter", "SavedModelExporter", "serve"),
}


def open_exporter(export):
    """The `Exporter` of an `Export` that was checked.

    Raises:
        ValueError: if its packages are not installed.
    """
    module, name, extra = EXPORTERS[export.format]
    try:
        return getattr(importlib.import_module(f"sparseface_tf.export.{module}"), name)(export)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--format={export.format} needs the package {error.name}: "
            f"pip install 'sparseface_tf[{extra}]'."
        ) from None
