"""TFLite files as the flatbuffers that they are, and the sparse formats that LiteRT computes with.

`flatbuffer.File` and `inspection` need LiteRT's schema (the package ai-edge-litert, an extra), so they
are not imported here; what is here needs NumPy and SciPy alone.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.tflite.encoding import BLOCK, Encoded, count_blocks, decode, encode

__all__ = ["BLOCK", "Encoded", "count_blocks", "decode", "encode"]

__getattr__, __dir__ = handed_on(__name__, __file__)
