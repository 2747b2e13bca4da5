"""Plots of sets of faces."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pipelines.inspection.examination import Examination
from pipelines.inspection.landmark_sanity import ENLARGED, RESIDUAL


def plot_sets(examinations: Sequence[Examination]) -> Figure:
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


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
