"""The card of an exported model: what it is, what it was trained on, what it is not for."""

import os

import keras
import numpy as np

from pipelines.faces.alignment import TEMPLATE
from pipelines.files import read_json
from pipelines.tables import markdown_table
from sparseface_tf.embedding.embedder import read_names
from sparseface_tf.export.network import CENTRE, SCALE
from sparseface_tf.runs import HELD_OUT, METRICS, TITLES, accuracy, run_of
from sparseface_tf.sparsify.geometry import layer_kind

CARD = "MODEL_CARD.md"

LIMITS = """\
It compares faces: two photographs are of one person if their features are alike. It is meant
for research on sparse networks, and for applications whose makers test it on photographs like
their own.

* Not for decisions about people without a person who decides: it errs, as the figures above
  say.
* How its errors differ between groups of people (age, sex, colour of skin) was not measured;
  networks trained on photographs of celebrities have been found to err more on some than on
  others.
* A threshold holds for photographs like those that it was measured on, and for no others:
  cameras, light, ages and detectors of faces move it. `recognize.py calibrate` measures it on
  others.
* It tells no photograph of a face from the face itself.
* Faces must be aligned as in training; without landmarks, or turned far to the side, it errs
  more.
"""


def model_card(embedder, trained, facts, interface):
    """The card as Markdown.

    Args:
        embedder: `Embedder` of the network that was exported.
        trained: dict of strings, how it was trained; see `training_facts`.
        facts: dict of strings about the export.
        interface: Markdown: what goes in and comes out.

    Returns:
        A string that ends with a newline.
    """
    region = embedder.region
    colours = "RGB" if region.channels == 3 else "grey"
    parts = [
        f"# {embedder.network.name}: a sparse network for face recognition",
        "A network of sparseface_tf, after Sun, Wang and Tang, *Sparsifying Neural Network "
        "Connections for Face Recognition*. It turns a face into "
        f"{embedder.network.output_shape[-1]} numbers, which are alike for photographs of one "
        "person.",
        "## Network",
        markdown_table(layer_rows(embedder.network)),
        "## Training",
        _bullets(trained) or "Not known: the model's file lies in no run of train.py.",
        "## Input and output",
        interface,
        f"A crop has {region.height} × {region.width} pixels, {colours}, rows from the top, "
        f"normalised as (pixel − {CENTRE}) / {SCALE}. It shows {_shown(region)}. A face is aligned "
        "by the similarity transform that brings five landmarks (eyes, nose, corners of the mouth) "
        "as close as it can to fixed places in 112 × 96 pixels: "
        f"{', '.join(map(_point, TEMPLATE))}.\n",
        "## Export",
        _bullets(facts),
        "## Use and limits",
        LIMITS,
        "## Licence",
        "The code is under Apache 2.0. The weights are bound by the terms of the photographs that "
        "they were trained on, which are often for research only.\n",
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def layer_rows(network):
    """Weights of each layer and how many are kept, rows of strings for a table."""
    rows, totals = [["layer", "kind", "weights", "kept", "density"]], np.zeros(2, np.int64)
    for layer in network.layers:
        try:
            kind = layer_kind(layer)
        except ValueError:
            continue
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        weights, kept = kernel.size, int(np.count_nonzero(kernel))
        totals += weights, kept
        rows.append([layer.name, kind, f"{weights:,}", f"{kept:,}", f"{kept / weights:.3%}"])
    weights, kept = totals.tolist()
    rows.append(["all", "", f"{weights:,}", f"{kept:,}", f"{kept / max(weights, 1):.3%}"])
    return rows


def training_facts(path, width=1.0):
    """What the run of train.py that a model lies in says of itself.

    Args:
        path: the model's file.
        width: share of the channels that is exported.

    Returns:
        Dict of strings; empty if it lies in no run.
    """
    run, beside = run_of(path), os.path.join(os.path.dirname(path), METRICS)
    if run is None:
        return {}
    settings = run.settings()
    facts = {"faces": _source(settings)}
    held_out = run.file(HELD_OUT)
    if os.path.isfile(held_out):
        people = len(read_names(held_out))
        facts["held out"] = f"{people:,} people of these, for choosing"
    if not os.path.isfile(beside):
        return facts
    result = read_json(beside)
    facts["stage"] = f"{result['stage']}, {result['name']}, criterion {settings['criterion']}"
    images = 2 * settings["pairs"]
    facts["mini-batches"] = f"{result['steps']:,} of {images} images in this stage"
    if "training" in result:
        facts["trained on"] = "{images:,} images of {identities:,} people".format(**result["training"])
    facts["seed"] = str(settings["seed"])
    if width < 1:
        # What was measured at other widths says nothing about this one.
        result = result.get("levels", {}).get(f"{width:g}")
        if result is None:
            return {**facts, "accuracy": "not measured at this width"}
    facts["weights kept"] = f"{result['parameters_kept']:,} of {result['parameters']:,}"
    for test in result["verification"]:
        of = f" of {source_name(settings['test_data'])}" if test == "test" else ""
        title = TITLES.get(test, test) + of
        facts[title] = f"{accuracy(result, test)} (cosine; ± is the standard error over folds)"
    return facts


def _source(settings):
    """What a run was trained on, in words."""
    if settings["data"] == "synthetic":
        images = settings["images_per_identity"]
        return f"rendered: {settings['identities']:,} people, {images} images each"
    return source_name(settings["data"])


def source_name(source):
    """A source's name without where it lies on this machine: cards go to others."""
    return os.path.basename(source.rstrip("/")) or source


def _shown(region):
    """What a `Region` shows, in words."""
    if not region.landmarks and region.offset == (0, 0) and region.scale == 1:
        return "the aligned face"
    where = " and ".join(region.landmarks) or "the aligned face"
    return (
        f"the region `{region.name}`: its centre is that of {where}, moved by "
        f"{_point(region.offset)} pixels, its width {region.scale:g} of the aligned face's"
    )


def _point(point):
    return "({:g}, {:g})".format(*point)


def _bullets(facts):
    return "".join(f"* {name}: {value}\n" for name, value in facts.items())
