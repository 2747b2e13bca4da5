"""The look that all plots share: colours, line styles, figures and legends."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sparseface_tf.evaluation.section import Run

# Distinct for colour-blind readers too: those of Okabe and Ito (2008) without yellow, which is
# faint on white, then three of Tol's muted ones.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
           "#882255", "#999933", "#777777")
LINES = ("solid", (0, (4, 1.6)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
GENUINE, IMPOSTOR = COLOURS[:2]

LOOK: dict[Any, Any] = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#444444",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelcolor": "#111111",
    "ytick.labelcolor": "#111111",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
}
WIDTH, HEIGHT = 5.4, 3.9  # inches of a plot without its legend
# What `styles` gives.
Look = Mapping[tuple[str, str], dict[str, Any]]


def styles(runs: Sequence[Run]) -> dict[tuple[str, str], dict[str, Any]]:
    """Colours and line styles of runs.

    Args:
        runs: list of `Run`, those of all sections if their plots are to agree.

    Returns:
        Dict from (system, scorer) to keyword arguments of matplotlib's `plot`.
    """
    systems, scorers = (
        list(dict.fromkeys(names))
        for names in ([run.system for run in runs], [run.scorer for run in runs])
    )
    return {
        (run.system, run.scorer): {
            "color": COLOURS[systems.index(run.system) % len(COLOURS)],
            "linestyle": LINES[scorers.index(run.scorer) % len(LINES)],
        }
        for run in runs
    }


def new_panel():
    """An empty figure with one panel, both."""
    figure = new_figure(WIDTH, HEIGHT)
    return figure, figure.subplots()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches whose parts make room for each other."""
    margins = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    return Figure(figsize=(width, height), layout=margins)


def draw_lines(panel, curves, look):
    """Lines of a list of (run, x, y); a single point is a dot."""
    return [
        panel.plot(
            x, y, marker="o" if len(x) == 1 else "", **look[run.system, run.scorer]
        )[0]
        for run, x, y in curves
    ]


def zoom(panel, rates):
    """A linear axis of rates from just below the lowest to just above the highest one."""
    low, high = rates.min(), rates.max()
    margin = max(0.04 * (high - low), 0.002)
    panel.set_ylim(low - margin, high + margin)


def legend_below(figure: Figure, lines: Sequence, names: Sequence[str]) -> None:
    """A legend below the plot, where it hides nothing; the figure grows by its height."""
    columns = 2 if max(map(len, names)) <= 36 and len(names) > 1 else 1
    rows = math.ceil(len(names) / columns)
    figure.set_figheight(figure.get_figheight() + 0.19 * rows + 0.05)
    legend = figure.legend(lines, ["?"] * len(names), loc="outside lower center", ncols=columns)
    # Set afterwards, as a legend leaves out names that begin with an underscore, and takes what is
    # between dollars as a formula.
    for text, name in zip(legend.get_texts(), names):
        text.set_parse_math(False)
        text.set_text(name)
