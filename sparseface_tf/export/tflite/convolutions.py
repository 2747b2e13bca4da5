"""Masked convolutions: their weights are stored sparse, and computed with dense."""

import keras
import numpy as np

from sparseface_tf.export.layer import Layer, mask_hash
from sparseface_tf.export.tflite.lowering import convolutions, weights_name
from sparseface_tf.tflite.encoding import BLOCK, count_blocks, encode


def store_convolutions(file, model, sparse, quantization):
    """Stores the weights of masked convolutions sparse where that is smaller.

    LiteRT has no sparse convolution: the weights are expanded by DENSIFY as the file is loaded, and
    time and memory are those of a dense one. With dynamic ranges XNNPACK does not load such a file,
    so there they stay dense.

    Args:
        file: `File`, quantised; it is changed.
        model: network computing in float32 that the file was made of.
        sparse: False leaves all of them dense.
        quantization: see `quantise`.

    Returns:
        List of `Layer`, in the model's order.
    """
    places = _weights(file)
    kernels = {
        # (kh, kw, inputs, maps) to TFLite's (maps, kh, kw, inputs)
        name: np.moveaxis(keras.ops.convert_to_numpy(layer.kernel), 3, 0)
        for name, layer in convolutions(model).items()
    }
    # Those with the most zeros choose first: they fit to the fewest.
    order = sorted(kernels, key=lambda name: np.count_nonzero(kernels[name]) / kernels[name].size)
    found = {name: _take(file, places, kernels[name]) for name in order}
    records = []
    for name, layer in convolutions(model).items():
        kernel, place = kernels[name], found[name]
        kept = np.count_nonzero(kernel)
        blocks = count_blocks(kernel.reshape(-1, kernel.shape[-1]), BLOCK)
        stored, encoded, size = "dense", None, 0
        if place is None:
            reason = "not a CONV_2D of its own in the file"
        elif kept in (0, kernel.size):
            reason = "CONV_2D"
        elif not sparse:
            reason = "CONV_2D, dense as asked"
        elif quantization == "dynamic":
            reason = "CONV_2D, dense: XNNPACK has no DENSIFY for dynamic ranges"
        else:
            stored, encoded, reason = _smallest(file.constant(place))
        if place is not None:
            size = encoded.size if encoded else file.constant_size(place)
        if encoded:
            file.densify(place, encoded, weights_name(name, "sparse"))
        density = min(1.0, blocks * BLOCK / kernel.size)
        counts = int(kernel.size), int(kept), density
        records.append(Layer(name, "conv", *counts, stored, int(size), reason, mask_hash(layer)))
    return records


def _smallest(values):
    """How to store weights: "csr", "blocks" or "dense", the `Encoded` or None, and why."""
    rows = values.reshape(-1, values.shape[-1])
    encoded = {"csr": encode(rows, 1, values.shape)}
    if values.shape[-1] % BLOCK == 0:
        encoded["blocks"] = encode(rows, BLOCK, values.shape)
    best = min(encoded, key=lambda stored: encoded[stored].size)
    if encoded[best].size >= values.nbytes:
        size = f"{encoded[best].size:,} bytes instead of {values.nbytes:,}"
        return "dense", None, f"CONV_2D, dense: sparse weights would take {size}"
    what = {"blocks": "1x4 blocks", "csr": "CSR"}[best]
    return best, encoded[best], f"CONV_2D; stored as {what}, expanded by DENSIFY at loading"


def _weights(file):
    """Places of the constant weights of all convolutions, in order; behind DEQUANTIZE too."""
    operators = file.operators()
    made = {op.outputs[0]: op for op in operators if op.name == "DEQUANTIZE"}
    found = []
    for operator in operators:
        if operator.name == "CONV_2D":
            place = operator.inputs[1]
            found.append(made[place].inputs[0] if place in made else place)
    return [place for place in found if file.constant(place) is not None]


def _take(file, places, kernel):
    """Takes from `places` the weights that are zero where the kernel is; None if none are."""
    for place in places:
        values = file.constant(place)
        if values.shape == kernel.shape and not values[kernel == 0].any():
            places.remove(place)
            return place
    return None
