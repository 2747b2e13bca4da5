"""What became of each layer."""

import dataclasses
import hashlib

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Layer:
    """What became of a layer with weights.

    Attributes:
        name: the layer's.
        kind: "dense", "local" or "conv".
        weights, kept: numbers of weights, of those kept by the mask.
        block_density: share of the blocks of four along the inputs with any weight kept.
        stored: "blocks", "csr" or "dense".
        bytes: of weights and index arrays in the file.
        reason: what was chosen, and why; a sentence.
        mask: hash of the mask, hexadecimal; "" for a layer without one.
    """

    name: str
    kind: str
    weights: int
    kept: int
    block_density: float
    stored: str
    bytes: int
    reason: str
    mask: str


def mask_hash(layer):
    """SHA-256 of a layer's mask at one bit a weight, hexadecimal; "" for a layer without one."""
    if not hasattr(layer, "mask"):
        return ""
    mask = keras.ops.convert_to_numpy(layer.mask)
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
