"""CMC: how many probes are found at a rank or better."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sparseface_tf.evaluation.plots.look import (
    LOOK,
    Look,
    draw_lines,
    legend_below,
    new_panel,
    styles,
    zoom,
)
from sparseface_tf.evaluation.section import Run


def plot_cmc(runs: Sequence[Run], look: Look | None = None) -> Figure | None:
    """Share of probes found at a rank or better, over the rank on a logarithmic axis.

    The axis ends where no curve rises any more.

    Args:
        runs: list of `Run`.
        look: `styles` to draw with; default: those of these runs.

    Returns:
        A matplotlib figure; None if no run has a CMC.
    """
    curves = [
        (run, np.arange(1, len(run.cmc) + 1), np.asarray(run.cmc, np.float64))
        for run in runs
        if run.cmc
    ]
    if not curves:
        return None
    longest = max(len(rank) for _, rank, _ in curves)
    last = max(1 + int(np.argmax(rate >= rate[-1])) for *_, rate in curves)
    end = min(longest, max(last, 10))
    with matplotlib.rc_context(LOOK):
        figure, panel = new_panel()
        lines = draw_lines(panel, curves, look or styles(runs))
        for line in lines:
            line.set(marker="o", markersize=3.2, markevery=_marked(len(line.get_xdata())))
        panel.set(xlabel="Rank", ylabel="Identification rate", xscale="log")
        panel.set_xlim(0.94, max(end, 2) * 1.06)
        panel.xaxis.set_major_locator(FixedLocator(_ticks(max(end, 2))))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:,.0f}"))
        zoom(panel, np.concatenate([rate[:end] for *_, rate in curves]))
        legend_below(figure, lines, [run.name for run, *_ in curves])
    return figure


def _ticks(end):
    """1, 2, 5, 10, … up to an end."""
    decades = range(1 + math.floor(math.log10(end)))
    return [n * 10**power for power in decades for n in (1, 2, 5) if n * 10**power <= end]


def _marked(ranks):
    """Indexes of the ranks with a tick: a marker there is read off, one at all is a band."""
    return [rank - 1 for rank in _ticks(ranks)]
