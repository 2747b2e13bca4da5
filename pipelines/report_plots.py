"""Plots of sets of faces, and a sheet of the photographs that are there twice."""

import io

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from pipelines.landmark_sanity import ENLARGED, RESIDUAL

# Pairs on the sheet: as many of each kind, and in a row.
PAIRS_OF_A_KIND = 16
PAIRS_IN_A_ROW = 4
SIDE = 128  # pixels


def plot_sets(examinations):
    """Histograms of one or several sets, a row of panels for each.

    Args:
        examinations: list of `Examination`.

    Returns:
        A matplotlib figure.
    """
    figure = Figure(figsize=(24, 3.6 * len(examinations)), layout="constrained")
    panels = figure.subplots(len(examinations), 6, squeeze=False)
    for row, examined in zip(panels, examinations):
        measured, fit = examined.survey, examined.fit
        readable = measured.readable()
        row[0].hist(np.bincount(measured.source.labels), bins=40)
        row[0].set(xlabel="images of an identity", ylabel=f"{examined.title}: identities")
        row[0].set_yscale("log")

        height, width = measured.sizes[readable].T
        pairs, counts = np.unique([width, height], axis=1, return_counts=True)
        row[1].scatter(*pairs, s=4 + 200 * counts / counts.max(), alpha=0.5)
        row[1].set(xlabel="width in pixels", ylabel="height")
        row[1].axis("equal")

        for panel, values, limit, title in (
            (row[2], fit.scale, ENLARGED, "enlarged to 112 x 96 pixels, times"),
            (row[3], fit.residual, RESIDUAL, "landmarks from the template, eye distances"),
            (row[4], fit.roll, None, "face turned clockwise, degrees"),
        ):
            values = values[np.isfinite(values)]
            panel.hist(values, bins=80)
            if limit is not None and len(values):
                panel.axvline(limit, color="tab:red", linestyle=":")
            panel.set(xlabel=title, ylabel="images")
            panel.set_yscale("log")

        labels = measured.source.labels
        first, second, bits, _ = examined.matches
        within = labels[first] == labels[second]
        edges = np.arange(0, examined.distance + 4, 4)
        row[5].hist([bits[within], bits[~within]], edges, stacked=True,
                    label=["within an identity", "across identities"])
        row[5].set(xlabel="bits between near images", ylabel="pairs")
        row[5].legend()
    return figure


def plot_duplicates(kinds):
    """A sheet of pairs of photographs, side by side.

    Of each kind the nearest pairs are shown and the farthest, and some between: at the far end
    false alarms would be seen first.

    Args:
        kinds: list of (title, source of the first images, source of the second, `Matches`).

    Returns:
        A matplotlib figure, or None if there is no pair.
    """
    chosen = []
    for title, source, other, matches in kinds:
        total = len(matches.first)
        picked = np.unique(np.linspace(0, total - 1, min(total, PAIRS_OF_A_KIND)).astype(int))
        chosen += [(title, source, other, [part[i] for part in matches]) for i in picked]
    if not chosen:
        return None
    rows = -(-len(chosen) // PAIRS_IN_A_ROW)
    figure = Figure(figsize=(4 * PAIRS_IN_A_ROW, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, PAIRS_IN_A_ROW, squeeze=False).ravel()
    for panel in panels:
        panel.axis("off")
    for panel, (title, source, other, (a, b, bits, mirrored)) in zip(panels, chosen):
        panel.imshow(np.concatenate([_square(source, a), _square(other, b)], axis=1))
        turned = ", mirrored" if mirrored else ""
        panel.set_title(
            f"{title}, {bits} bits{turned}\n{_short(source.name(a))}\n{_short(other.name(b))}",
            fontsize=8,
        )
    return figure


def _square(source, index):
    """An image brought into a square, uint8 (SIDE, SIDE, 3)."""
    image, _ = source.load(tf.constant(index, tf.int64))
    image = tf.image.resize_with_pad(image, SIDE, SIDE, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8).numpy()


def _short(name):
    # A dollar would begin a formula.
    name = name.replace("$", r"\$")
    return name if len(name) <= 48 else f"{name[:22]} … {name[-22:]}"


def png(figure):
    """A figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
