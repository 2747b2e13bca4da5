"""Trained networks as files that other programs run: TFLite for phones, SavedModel for servers.

    export = Export(model="runs/faces", output="saved_models/faces")
    export.check()
    exporter = open_exporter(export)
    exporter.prepare()
    path = exporter.run()

The exporters themselves, one a format, are imported when they are used, with the packages of their extra.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.export.exporter import Exporter, open_exporter
    from sparseface_tf.export.formats import FORMATS, Format
    from sparseface_tf.export.parity import Parity
    from sparseface_tf.export.settings import Export

__all__ = ["FORMATS", "Export", "Exporter", "Format", "Parity", "open_exporter"]

__getattr__, __dir__ = handed_on(__name__, __file__)
