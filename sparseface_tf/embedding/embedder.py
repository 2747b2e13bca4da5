"""A trained network with the region of the face that it sees."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from typing import Any

import keras
import numpy as np

from pipelines.faces.regions import TABLE, Region, read_regions
from pipelines.faces.text import read_lines
from sparseface_tf import channels, layers  # noqa: F401, which makes them known to Keras
from sparseface_tf.embedding import saved_model
from sparseface_tf.embedding.litert import METADATA, LiteRTNetwork
from sparseface_tf.runs import HELD_OUT, METRICS, MODEL, RunFolder, run_of, unfinished_stage

TFLITE = "model.tflite"


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A network that turns a region of the face into a feature.

    Attributes:
        path: the model's file, or the folder of a SavedModel.
        region: the `Region` that it sees, at the size of its input.
        network: Keras model, `LiteRTNetwork` for a TFLite file, or `SavedModelNetwork`, (n, height,
            width, channels) -> (n, features).
        key: names the content, hexadecimal: another network, or another region, has another key.
    """

    path: str
    region: Region
    network: Any
    key: str


def open_embedder(
    path: str | os.PathLike[str], region: str = "", regions: str = ""
) -> Embedder:
    """Opens a trained network.

    Args:
        path: a `.keras` file; a folder with model.keras in it, such as a stage's; a run of
            train.py, of which the last finished stage is taken; a `.tflite` file that export.py
            wrote, or its folder; or a SavedModel that it wrote, the folder of a version or that of
            all versions, of which the highest is taken.
        region: name of the region that it sees. Default: the one that an exported file says, the
            one of the run that the model lies in, or "face" for a model that lies in no run.
        regions: table of regions; default: `pipelines/regions.csv`.

    Returns:
        `Embedder`.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if the file is no model, its weights are not finite, or its input is not of the
            region's shape.
    """
    path = find_model(path)
    network, said = _open(path)
    if isinstance(network, keras.Model) and len(network.inputs) + len(network.outputs) != 2:
        raise ValueError(f"{path} has several inputs or outputs: give the network that embeds.")
    shape, output = network.input_shape, network.output_shape
    if len(shape) != 4 or None in shape[1:] or len(output) != 2:
        raise ValueError(
            f"{path} maps {shape} to {output}: give a network from images (height, width, "
            "channels) to features."
        )
    found = None if region else said or _region_of_run(path)
    if found is None:
        table = read_regions(regions or TABLE)
        if (region or "face") not in table:
            raise ValueError(f"There is no region {region}; there are {', '.join(table)}.")
        found = table[region or "face"].scaled(shape[2])
    if (found.height, found.width, found.channels) != shape[1:]:
        raise ValueError(
            f"{path} takes images of {_size(shape[1:])}, the region {found.name} has "
            f"{_size((found.height, found.width, found.channels))}: give the region that the "
            "network was trained on."
        )
    return Embedder(path, found, network, _key(path, found))


def find_model(path: str | os.PathLike[str]) -> str:
    """Path of the model's file, see `open_embedder`."""
    path = os.fspath(path)
    if unfinished_stage(path):
        raise FileNotFoundError(
            f"The stage {path} is not finished, as it has no {METRICS}: wait until it is, or copy the "
            "model out of the run."
        )
    if os.path.isfile(path):
        return path
    for name in (MODEL, TFLITE):
        if os.path.isfile(os.path.join(path, name)):
            return os.path.join(path, name)
    version = saved_model.find_version(path)
    if version:
        return version
    run = RunFolder(path)
    last = run.last_finished()
    if last is not None:
        return run.stage(last, MODEL)
    if run.exists():
        raise FileNotFoundError(f"No stage of the run {path} is finished: wait until one is.")
    raise FileNotFoundError(
        f"No model {path}: give a .keras or .tflite file, a SavedModel, a stage's folder or a "
        "run's folder."
    )


def held_out_by_run(path: str | os.PathLike[str]) -> list[str]:
    """Names of the people that the run of train.py that a model's file lies in held out, a list.

    Raises:
        ValueError: if it lies in no run, or in one that does not say.
    """
    run = run_of(path)
    if run is None or not os.path.exists(run.file(HELD_OUT)):
        raise ValueError(
            f"--identities asks what the run of {path} held out, and that lies in no run that says "
            "so."
        )
    return read_names(run.file(HELD_OUT))


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """Names of people in a file, one a line, such as a run's held_out.txt: a list."""
    return [line for _, line in read_lines(path, "list of identities")]


def _open(path):
    """The network in a file, and the `Region` that the file says it sees, or None."""
    if os.path.isdir(path):
        return _open_saved_model(path)
    return _open_tflite(path) if path.endswith(".tflite") else (_load(path), None)


def _open_saved_model(path):
    with _one_line(path, "a SavedModel to use"):
        about = saved_model.metadata(path)
        network = saved_model.SavedModelNetwork(path)
        return network, _region(about["region"]) if about else None


def _open_tflite(path):
    try:
        # With LiteRT's schema, which is an extra.
        from sparseface_tf.tflite.flatbuffer import File  # noqa: PLC0415
        from sparseface_tf.tflite.inspection import check_sparse  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "ai_edge_litert":
            raise
        raise ValueError(
            f"{path} needs LiteRT: pip install 'sparseface_tf[export]'."
        ) from None
    with open(path, "rb") as file:
        content = file.read()
    with _one_line(path, "a TFLite file to use"):
        file = File(content)
        # LiteRT would compute something else, or bring the program down.
        check_sparse(file)
        about = file.metadata(METADATA)
        network = LiteRTNetwork(content)
        return network, _region(about["region"]) if about else None


def _load(path):
    with _one_line(path, "a Keras model"):
        # Safe: a file with code of its own, such as a Lambda layer, is refused, not run.
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    check_names(model, path)
    check_weights(model, path)
    return model


def check_names(model: keras.Model, path: str, first: str = "") -> None:
    r"""Makes sure that TensorFlow can run layers of these names, of which it makes scopes.

    Args:
        model: the network.
        path: its file, to be named in errors.
        first: what a name must begin with besides, a regular expression.

    Raises:
        ValueError: with the first name that cannot be.
    """
    allowed = r"[A-Za-z0-9_.\\/>-]*"
    for layer in model._flatten_layers():
        if not re.fullmatch(first + allowed, layer.name):
            rule = "letters of ASCII, digits and _ . - > only"
            rule += ", and begin with a letter, a digit or a dot" * bool(first)
            raise ValueError(
                f"{path} has a layer named '{layer.name}', and TensorFlow wants names that have {rule}: "
                "give the layer another name."
            )


def check_weights(model: keras.Model, path: str) -> None:
    """Makes sure that a network's weights are numbers.

    A ReLU makes zeros of NaN, so that its features may look like any others.

    Raises:
        ValueError: with the first layer that has weights which are not finite.
    """
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model):  # its layers come by themselves
            continue
        for variable in layer.variables:
            values = keras.ops.convert_to_numpy(variable)
            if values.dtype.kind == "V":  # bfloat16, of which NumPy knows no more
                values = values.astype(np.float32)
            bad = values.size - np.count_nonzero(np.isfinite(values))
            if bad:
                raise ValueError(
                    f"{path} is broken: {bad} of {values.size} values of {variable.name} of layer "
                    f"'{layer.name}' are NaN or infinite, as training that diverges leaves them."
                )


@contextlib.contextmanager
def _one_line(path, kind):
    """Turns what a broken file raises, errors of many kinds, into one line."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or repr(error)
        if "safe_mode" in reason:
            raise ValueError(
                f"{path} holds code that would run when it is opened, such as a Lambda layer: it "
                "is refused; give a network of layers alone."
            ) from None
        raise ValueError(f"{path} is not {kind}: {reason[:200]}") from None


def _region_of_run(path):
    run = run_of(path)
    if run is None:
        return None
    # Runs were of the whole face before there were regions.
    fields = run.settings().get("regions")
    return fields and _region(fields)


def _region(fields):
    """The `Region` of the fields that JSON kept of it."""
    pairs = {name: tuple(fields[name]) for name in ("landmarks", "offset")}
    return Region(**{**fields, **pairs})


def _size(shape):
    return " x ".join(map(str, shape))


def _key(path, region):
    if os.path.isdir(path):
        digest = saved_model.digest(path)
    else:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read())
    # The name and the source of a region change nothing in what the network sees.
    seen = {k: v for k, v in dataclasses.asdict(region).items() if k not in ("name", "source")}
    digest.update(json.dumps(seen, sort_keys=True).encode())
    return digest.hexdigest()[:32]
