"""A trained network as a TFLite file: lowered, converted, quantised, its weights stored sparse."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from sparseface_tf.embedding.litert import time_in_child
from sparseface_tf.export.layer import Layer, mask_hash
from sparseface_tf.export.network import EMBEDDING
from sparseface_tf.export.tflite import forms, lowering
from sparseface_tf.export.tflite.convolutions import store_convolutions
from sparseface_tf.export.tflite.quantisation import quantise
from sparseface_tf.tflite.encoding import BLOCK, encode
from sparseface_tf.tflite.flatbuffer import File
from sparseface_tf.tflite.inspection import check_sparse, sparse_weights


def build(
    model, quantization="none", *, pixels=False, sparse=True, images=None, choices=None, quiet=False
):
    """Makes the file.

    Args:
        model: network computing in float32, see `in_float32`.
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
    file.sign(file.inputs(), {EMBEDDING: output})
    content = file.content()
    if quantization != "none":
        say("Quantising: %s.", quantization)
        content = quantise(content, quantization, images)
    file = File(content)
    records = [
        _record(file, layers[name], product, taken[name], choices[name])
        for name, product in standing.items()
    ]
    records += store_convolutions(file, model, sparse, quantization)
    file.describe("Face embedding by sparseface_tf")
    check_sparse(file)
    _check_stored(file, records)
    return file.content(), records


def choose_forms(model, measured=False, target="arm"):
    """The form of every dense and locally connected layer.

    Args:
        model: network computing in float32.
        measured: time every form here, instead of estimating it.
        target: processor that the estimates are for, see `forms.TARGETS`.

    Returns:
        Dict from the layer's name to `Choice`.
    """
    choices = {}
    how = "measured" if measured else f"estimated for {target}"
    for name, layer in lowering.products(model).items():
        possible, weights, kept, blocks = forms.possible_forms(layer, target)
        if measured:
            logging.info("Timing %d forms of layer %s.", len(possible), name)
            possible = [_timed(layer, form) for form in possible]
        choices[name] = forms.Choice(
            forms.choose(possible), possible, weights, kept, blocks, how
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
    file.sign(file.inputs(), {EMBEDDING: file.graph.outputs[0]})
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
        mask_hash(layer),
    )


def _check_stored(file, records):
    """Makes sure that the file has the sparse weights that the records say it has."""
    found = sparse_weights(file)
    for record in records:
        prefix = lowering.weights_name(record.name, "")
        mine = [encoded for name, encoded in found.items() if name.startswith(prefix)]
        if record.stored == "dense":
            continue
        if not mine:
            raise ValueError(f"layer {record.name} has no SparsityParameters in the file")
        stored = sum(np.count_nonzero(encoded.values) for encoded in mine)
        # Quantisation makes zeros of small weights; those of a map's padding are left out.
        if not 0 < stored <= record.kept:
            raise ValueError(
                f"layer {record.name} has {stored} weights in the file and {record.kept} in the "
                "network"
            )
