"""Histograms of genuine and impostor scores."""

import math
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sparseface_tf.evaluation.plots.look import GENUINE, IMPOSTOR, LOOK, new_figure
from sparseface_tf.evaluation.section import Run


def plot_histograms(runs: Sequence[Run]) -> Figure | None:
    """Scores of genuine and impostor pairs, a panel for each run, with the thresholds.

    Args:
        runs: list of `Run`.

    Returns:
        A matplotlib figure; None if no run has a histogram.
    """
    drawn = [(run, run.histogram) for run in runs if run.histogram is not None]
    if not drawn:
        return None
    columns = min(len(drawn), 2)
    rows = math.ceil(len(drawn) / columns)
    with matplotlib.rc_context({**LOOK, "axes.grid": False, "axes.spines.left": False}):
        figure = new_figure(4.1 * columns, 2.3 * rows + 0.4)
        panels = figure.subplots(rows, columns, squeeze=False)
        for panel in panels.ravel()[len(drawn):]:
            panel.set_axis_off()
        for (run, histogram), panel in zip(drawn, panels.ravel()):
            edges = np.asarray(histogram.edges)
            for counts, colour in (
                (histogram.impostor, IMPOSTOR),
                (histogram.genuine, GENUINE),
            ):
                density = np.asarray(counts) / (max(sum(counts), 1) * np.diff(edges))
                panel.stairs(density, edges, fill=True, color=colour, alpha=0.35, linewidth=0)
                panel.stairs(density, edges, color=colour, linewidth=1)
            for threshold in run.thresholds:
                panel.axvline(
                    threshold, color="#222222", linewidth=0.8, linestyle=(0, (4, 2)),
                    alpha=max(0.3, 1 / len(run.thresholds)),
                )
            # Wrapped here, as matplotlib would take what is between dollars as a formula.
            panel.set_title(textwrap.fill(run.name, 48), parse_math=False)
            panel.set(xlim=(edges[0], edges[-1]), ylim=(0, None), yticks=[])
        for panel in panels[-1] if len(drawn) % columns == 0 else panels.ravel()[-columns:]:
            panel.set_xlabel("Score")
        figure.supylabel("Density", fontsize=9)
        marks: list[Artist] = [
            Patch(facecolor=colour + "59", edgecolor=colour)
            for colour in (GENUINE, IMPOSTOR)
        ]
        marks.append(Line2D([], [], color="#222222", linewidth=0.8, linestyle=(0, (4, 2))))
        kinds = ["genuine pairs", "impostor pairs", "threshold"]
        if not any(run.thresholds for run, _ in drawn):
            del marks[-1], kinds[-1]
        figure.legend(marks, kinds, loc="outside upper center", ncols=len(kinds))
    return figure
