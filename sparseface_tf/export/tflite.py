"""A trained network as a TFLite file: lowered, converted, quantised, its weights stored sparse."""

import dataclasses
import hashlib

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from sparseface_tf.export import forms, lowering
from sparseface_tf.export.encoding import BLOCK, count_blocks, encode
from sparseface_tf.export.flatbuffer import File
from sparseface_tf.export.inspection import check_sparse, sparse_weights
from sparseface_tf.export.litert import time_in_child
from sparseface_tf.export.quantisation import quantise

METADATA = "sparseface_tf"


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


def build(
    model, quantization="none", *, pixels=False, sparse=True, images=None, choices=None, quiet=False
):
    """Makes the file.

    Args:
        model: network computing in float32, see `lowering.in_float32`.
        quantization: see `quantise`.
        pixels: take uint8 pixels, and normalise them inside.
        sparse: False stores every weight, as if there were no masks.
        images: for "int8": array (n, height, width, channels) as the file takes them.
        choices: dict from layers' names to `Choice`; default: `choose_forms(model)`.
        quiet: no lines of progress.

    Returns:
        The file, bytes, and a list of `Layer`.

    Raises:
        ValueError: if the file is not what it should be.
    """
    say = logging.debug if quiet else logging.info
    choices = choose_forms(model) if choices is None else choices
    taken = {name: choice.form for name, choice in choices.items()}
    for name, choice in choices.items():
        if not sparse or choice.form.storage == "dense":
            taken[name] = forms.dense_form(choice.forms, quantization != "none")
    layers = lowering.products(model)
    standing = {name: lowering.Product(layers[name], form.lowering) for name, form in taken.items()}
    say("Converting %d layers.", len(model.layers))
    file = File(convert(lowering.trace(model, standing, pixels)))
    for name, product in standing.items():
        for place, weights in zip(product.names, _stored(product, taken[name])):
            file.bind(place, weights)
    (output,) = file.graph.outputs
    file.sign(file.inputs(), {lowering.EMBEDDING: output})
    content = file.content()
    if quantization != "none":
        say("Quantising: %s.", quantization)
        content = quantise(content, quantization, images)
    file = File(content)
    records = [
        _record(file, layers[name], product, taken[name], choices[name])
        for name, product in standing.items()
    ]
    records += _store_convolutions(file, model, sparse)
    file.describe("Face embedding by sparseface_tf")
    check_sparse(file)
    _check_stored(file, records)
    return file.content(), records


def choose_forms(model, measured=False):
    """The form of every dense and locally connected layer.

    Args:
        model: network computing in float32.
        measured: time every form here, instead of estimating it.

    Returns:
        Dict from the layer's name to `Choice`.
    """
    choices = {}
    for name, layer in lowering.products(model).items():
        possible, weights, kept, blocks = forms.possible_forms(layer)
        if kept == weights:
            possible = [form for form in possible if form.storage == "dense"]
        if measured:
            logging.info("Timing %d forms of layer %s.", len(possible), name)
            possible = [_timed(layer, form) for form in possible]
        choices[name] = forms.Choice(
            forms.choose(possible), possible, weights, kept, blocks, measured
        )
    return choices


def convert(function):
    """A concrete function as a TFLite file, bytes, by the stock converter without optimisations."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    return converter.convert()


def alone(layer, form):
    """A TFLite file that computes one layer in one form, bytes."""
    image = keras.Input(layer.input.shape[1:])
    model = keras.Model(image, lowering.Product(layer, form.lowering)(image))
    product = lowering.Product(layer, form.lowering)
    file = File(convert(lowering.trace(model, {model.layers[-1].name: product})))
    for place, weights in zip(product.names, _stored(product, form)):
        file.bind(place, weights)
    return file.content()


def _timed(layer, form):
    milliseconds = time_in_child(alone(layer, form), seconds=0.5)["milliseconds"]
    return dataclasses.replace(form, microseconds=1e3 * milliseconds)


def _stored(product, form):
    """The weights of a product as they are to be stored: list of arrays or `Encoded`."""
    if form.lowering == "batched":
        return [product.batched_weights()]
    parts = lowering.matrices(product.layer, form.lowering)
    if form.storage == "dense":
        return [part.toarray() for part in parts]
    return [encode(part, BLOCK if form.storage == "blocks" else 1) for part in parts]


def _record(file, layer, product, form, choice):
    places = {file.name(place): place for place in range(len(file.graph.tensors))}
    size = sum(file.constant_size(places[name]) for name in product.names if name in places)
    return Layer(
        layer.name,
        product.geometry.kind,
        choice.weights,
        choice.kept,
        choice.block_density,
        form.storage,
        size,
        choice.reason if form is choice.form else f"{form.title}, as asked, or as it is quantised",
        _mask_hash(layer),
    )


def _store_convolutions(file, model, sparse):
    """Stores masked convolutions sparse where that is smaller.

    LiteRT has no sparse convolution: the weights are expanded as the file is loaded, and time and
    memory are those of a dense one.

    Returns:
        List of `Layer`.
    """
    weights = _convolution_weights(file)
    records = []
    for name, layer in lowering.convolutions(model).items():
        # (kh, kw, inputs, maps) to TFLite's (maps, kh, kw, inputs)
        kernel = np.moveaxis(keras.ops.convert_to_numpy(layer.kernel), 3, 0)
        rows = kernel.reshape(-1, kernel.shape[-1])
        kept, blocks = np.count_nonzero(kernel), count_blocks(rows, BLOCK)
        place = _find(file, weights, kernel)
        stored, encoded, reason = "dense", None, "CONV_2D"
        if place is None:
            reason = "not a CONV_2D of its own in the file"
        elif kept < kernel.size:
            reason = "CONV_2D, dense as asked"
        if sparse and kept < kernel.size and place is not None:
            values = file.constant(place)
            options = {"csr": 1, "blocks": BLOCK}
            if values.shape[-1] % BLOCK:
                del options["blocks"]
            encodings = {
                title: encode(values.reshape(rows.shape), block, values.shape)
                for title, block in options.items()
            }
            title = min(encodings, key=lambda title: encodings[title].size)
            if encodings[title].size < values.nbytes:
                stored, encoded = title, encodings[title]
                reason = (
                    "CONV_2D; the weights are stored sparse and expanded by DENSIFY when the file "
                    "is loaded"
                )
            else:
                reason = (
                    f"CONV_2D, dense: sparse weights would take {encodings[title].size:,} bytes "
                    f"instead of {values.nbytes:,}"
                )
        size = 0 if place is None else file.constant_size(place)
        if encoded is not None:
            size = encoded.size
            file.densify(place, encoded, f"weights_{name}_sparse")
        records.append(
            Layer(
                name,
                "conv",
                int(kernel.size),
                int(kept),
                min(1.0, blocks * BLOCK / kernel.size),
                stored,
                int(size),
                reason,
                _mask_hash(layer),
            )
        )
    return records


def _convolution_weights(file):
    """Places of the constant weights of all convolutions, in order; behind DEQUANTIZE too."""
    operators = file.operators()
    made = {op.outputs[0]: op for op in operators if op.name == "DEQUANTIZE"}
    found = []
    for operator in operators:
        if operator.name == "CONV_2D":
            place = operator.inputs[1]
            found.append(made[place].inputs[0] if place in made else place)
    return [place for place in found if file.constant(place) is not None]


def _find(file, places, kernel):
    """Takes from `places` the weights that are zero where the kernel is; None if none are."""
    for place in places:
        values = file.constant(place)
        if values.shape == kernel.shape and not values[kernel == 0].any():
            # Of a kernel with the same zeros as another the first one comes first here as well.
            places.remove(place)
            return place
    return None


def _check_stored(file, records):
    """Makes sure that the file has the sparse weights that the records say it has."""
    found = sparse_weights(file)
    for record in records:
        prefix = "weights_" + "".join(c if c.isalnum() else "_" for c in record.name) + "_"
        mine = [encoded for name, encoded in found.items() if name.startswith(prefix)]
        if record.stored == "dense":
            continue
        if not mine:
            raise ValueError(f"layer {record.name} has no SparsityParameters in the file")
        stored = sum(np.count_nonzero(encoded.values) for encoded in mine)
        # Quantisation makes zeros of small weights; weights of padding meet nothing.
        if not 0 < stored <= record.kept:
            raise ValueError(
                f"layer {record.name} has {stored} weights in the file and {record.kept} in the "
                "network"
            )


def _mask_hash(layer):
    if not hasattr(layer, "mask"):
        return ""
    mask = keras.ops.convert_to_numpy(layer.mask)
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
