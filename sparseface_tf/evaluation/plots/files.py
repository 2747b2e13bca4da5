"""The plots of a report: which there are, and their files."""

import os
import re
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from pipelines.files import write_atomically
from sparseface_tf.evaluation.plots.cmc import plot_cmc
from sparseface_tf.evaluation.plots.det import plot_det
from sparseface_tf.evaluation.plots.histograms import plot_histograms
from sparseface_tf.evaluation.plots.look import Look, styles
from sparseface_tf.evaluation.plots.rates import plot_roc, plot_search
from sparseface_tf.evaluation.section import Section

FIGURES: dict[str, tuple[Callable, str]] = {
    "roc": (
        plot_roc,
        "ROC: true accept rate over false accept rate.",
    ),
    "det": (
        plot_det,
        "DET: false reject rate over false accept rate, both on the scale of the normal deviate; "
        "at the dotted line they are equal (EER).",
    ),
    "search": (
        plot_search,
        "Open-set search: detection and identification rate at rank 1 over the rate of false "
        "alarms.",
    ),
    "cmc": (
        plot_cmc,
        "CMC: share of the probes whose person is found at a rank or better.",
    ),
    "histograms": (
        lambda runs, look=None: plot_histograms(runs),
        "Scores of genuine and impostor pairs, each of the same area, and the thresholds.",
    ),
}


def figures(section: Section, look: Look | None = None) -> dict[str, Figure]:
    """The plots of a section.

    Args:
        section: `Section`.
        look: `styles`; default: those of the section's runs.

    Returns:
        Dict from "roc", "det", "search", "cmc" and "histograms" to a matplotlib figure, those that
        there is data for.
    """
    drawn = {kind: plot(section.runs, look) for kind, (plot, _) in FIGURES.items()}
    return {kind: figure for kind, figure in drawn.items() if figure is not None}


def slugs(sections: Sequence[Section]) -> list[str]:
    """Names of sections for files and links.

    Args:
        sections: list of `Section`.

    Returns:
        List of strings of letters, digits, underscores and hyphens.

    Raises:
        ValueError: if two sections would have the same.
    """
    names = [re.sub(r"[^A-Za-z0-9_-]+", "-", section.name) for section in sections]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Two sections of a report are named {name}: name them differently.")
    return names


def write_plots(folder: str | os.PathLike, sections: Sequence[Section]) -> list[str]:
    """Writes all plots of a report as PNG files, each of which is there wholly or not at all.

    Args:
        folder: where to; made if it is not there.
        sections: list of `Section`.

    Returns:
        List of paths, such as FOLDER/lfw_roc.png.

    Raises:
        ValueError: if two sections have the same name.
        OSError: if a file cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    look = styles([run for section in sections for run in section.runs])
    paths = []
    for name, section in zip(slugs(sections), sections):
        for kind, figure in figures(section, look).items():
            paths.append(os.path.join(folder, f"{name}_{kind}.png"))
            write_atomically(
                paths[-1], lambda file, drawn=figure: drawn.savefig(file, format="png", dpi=150)
            )
    return paths
