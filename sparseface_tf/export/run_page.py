"""A finished run to look at: sizes as files, tested pairs with their scores, connections kept."""

import dataclasses
import os

import keras
import numpy as np

from pipelines.files import write_atomically
from pipelines.tables import markdown_table
from sparseface_tf.embedding.litert import run_in_child
from sparseface_tf.evaluation.page import svg, write_html
from sparseface_tf.export import parity
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.settings import MIN_COSINE
from sparseface_tf.export.tflite.build import build, choose_forms
from sparseface_tf.runs.folder import MASKS, MODEL, scores_file
from sparseface_tf.runs.metrics import accuracy
from sparseface_tf.sparsify import load_masks
from sparseface_tf.sparsify.geometry import layer_geometry

PAGE, FILE = "run.html", "network.tflite"
QUANTIZATION = "dynamic"
_EACH = 6  # pairs of a kind


@dataclasses.dataclass(frozen=True)
class ShownPair:
    """A tested pair.

    Attributes:
        images: two crops, uint8 (height, width, 3).
        score, threshold: the cosine, and from which on two are called the same.
        same: whether they are of one person.
        right: whether the decision is correct.
    """

    images: tuple
    score: float
    threshold: float
    same: bool
    right: bool


def write_run_page(folder, data, command):
    """Writes OUTPUT/network.tflite, the last stage with int8 weights, and OUTPUT/run.html about the run.

    Args:
        folder: `RunFolder` of a finished run.
        data: its `RunData`, opened and checked.
        command: what was called, a string.

    Returns:
        The table of sizes, Markdown, and the paths of page and file.

    Raises:
        ValueError: if the file does not compute what the network does; then nothing is written.
        OSError: if they cannot be written.
    """
    last = folder.last_finished()
    test = list(data.tests)[-1]
    pairs = _pairs(folder, data, last, test)
    networks = [_network(folder, number) for number in range(last + 1)]
    contents = [_content(network) for network in networks]
    images = np.concatenate([np.stack(pair.images) for pair in pairs])
    measured = _parity(networks[-1], contents[-1], images)
    rows = _rows(folder, test, [len(content) for content in contents])
    file, page = folder.file(FILE), folder.file(PAGE)
    write_atomically(file, lambda stream: stream.write(contents[-1]))
    write_html(
        page,
        __package__,
        "run_page.html.j2",
        title=f"Run {os.path.basename(os.path.abspath(folder.path))}",
        command=command,
        facts=[
            ("Faces", data.summary()),
            ("File", f"{FILE}, {len(contents[-1]) / 1e6:.2f} MB; {measured}"),
        ],
        contents=[("pairs", "Pairs"), ("kept", "Connections kept")],
        rows=rows,
        pairs=[
            ("The same person", [pair for pair in pairs if pair.same]),
            ("Different people", [pair for pair in pairs if not pair.same]),
        ],
        figures=_figures(folder, networks[-1], last),
    )
    return markdown_table(rows), page, file


def _network(folder, number):
    return in_float32(keras.models.load_model(folder.stage(number, MODEL)))


def _content(network):
    return build(network, QUANTIZATION, choices=choose_forms(network))[0]


def _parity(network, content, images):
    """`Parity` of file and network on some crops; ValueError if they differ."""
    shape = network.input_shape[1:]
    images = images[..., : shape[2]].astype(np.float32) / 127.5 - 1
    expected = np.asarray(network.predict_on_batch(images), np.float32)
    measured = parity.compare(expected, run_in_child(content, images))
    if not measured.cosine >= MIN_COSINE[QUANTIZATION]:
        raise ValueError(f"{FILE} does not compute what the network does: {measured}.")
    return measured


def _rows(folder, test, sizes):
    rows = [["sparse structure", "accuracy", "weights kept", "of the weights", "TFLite file"]]
    for number, size in enumerate(sizes):
        metrics = folder.metrics(number)
        rows.append(
            [
                metrics["name"],
                accuracy(metrics, test),
                f"{metrics['parameters_kept']:,}",
                f"{metrics['compression_ratio']:.1%}",
                f"{size / 1e6:.2f} MB",
            ]
        )
    return rows


def _pairs(folder, data, number, test):
    """Some pairs of each kind, evenly from the lowest to the highest score: list of `ShownPair`."""
    faces, images = data.tests[test][:2]
    with np.load(folder.stage(number, scores_file(1.0)), allow_pickle=False) as arrays:
        scores, right, same, folds = (
            arrays[f"{test}/{name}"] for name in ("scores", "right", "same", "folds")
        )
    thresholds = folder.metrics(number)["verification"][test]["thresholds"]
    place = {fold: i for i, fold in enumerate(np.unique(folds).tolist())}
    shown = []
    for kind in (True, False):
        of_kind = np.flatnonzero(same == kind)
        of_kind = of_kind[np.argsort(scores[of_kind], kind="stable")]
        count = min(_EACH, len(of_kind))
        for i in of_kind[np.linspace(0, len(of_kind) - 1, count).round().astype(int)]:
            limit = thresholds[place[int(folds[i])]]
            crops = tuple(_crop(data, faces, image) for image in images[i])
            shown.append(ShownPair(crops, float(scores[i]), limit, bool(kind), bool(right[i])))
    return shown


def _crop(data, faces, image):
    """What the network sees of an image, uint8 (height, width, 3)."""
    batch = next(iter(data.image_batches(faces, np.array([image]))))
    pixels = np.clip(np.asarray(batch[0], np.float32) * 127.5 + 127.5, 0, 255).round()
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.uint8)


def _figures(folder, network, number):
    """A picture of each mask: list of (kind, caption, SVG element)."""
    # Draws with matplotlib, which training does without.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figures = []
    for name in load_masks(folder.stage(number, MASKS)):
        kept, caption = kept_by_place(network, name)
        figure = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        drawn = axes.imshow(100 * kept, cmap="viridis", vmin=0, aspect="equal")
        axes.set(xticks=[], yticks=[], title=name)
        figure.colorbar(drawn, label="connections kept, %")
        figures.append((name, caption, svg(figure, f"kept-{name}-", f"{name}. {caption}")))
    return figures


def kept_by_place(network, name):
    """Where a layer's connections are kept.

    Args:
        network: model with a masked layer of that name.
        name: of the layer.

    Returns:
        float64 array (rows, columns), the share that is kept, and what rows and columns are.
    """
    layer = network.get_layer(name)
    mask, kind = np.asarray(layer.mask, np.float64), layer_geometry(layer).kind
    if kind == "conv":
        return mask.mean((0, 1)), "Rows are input maps, columns are output maps."
    if kind == "local":
        places = layer_geometry(layer).outputs[:2]
        share = mask.reshape(*places, -1).mean(-1)
        return share, "Of each place of the output, as it lies in the face."
    flat = [
        other.input.shape[1:]
        for other in network.layers
        if isinstance(other, keras.layers.Flatten) and other.output.shape[1] == len(mask)
    ]
    if not flat or len(flat[-1]) != 3:
        return mask.mean(1)[:, None], "Rows are inputs."
    share = mask.reshape(*flat[-1], -1).mean((2, 3))
    return share, "From each place of the input, as it lies in the face."
