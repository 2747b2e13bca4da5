"""ROC and open-set search: rates over a logarithmic axis of false ones."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

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


def plot_roc(runs: Sequence[Run], look: Look | None = None) -> Figure | None:
    """TAR over FAR, on a logarithmic axis.

    Args:
        runs: list of `Run`.
        look: `styles` to draw with; default: those of these runs.

    Returns:
        A matplotlib figure; None if no run has a ROC.
    """
    curves = [(run, *_positive(run.roc)) for run in runs if run.roc is not None]
    return _rates(curves, look or styles(runs), "False accept rate", "True accept rate")


def plot_search(runs: Sequence[Run], look: Look | None = None) -> Figure | None:
    """Detection and identification rate over the rate of false alarms; as `plot_roc`."""
    curves = [(run, *_positive(run.search)) for run in runs if run.search is not None]
    return _rates(
        curves, look or styles(runs), "False alarm rate", "Detection and identification rate"
    )


def _positive(curve):
    """The points of a curve that have a place on a logarithmic axis, two float64 arrays."""
    far, rate = np.asarray(curve.far, np.float64), np.asarray(curve.rate, np.float64)
    return far[far > 0], rate[far > 0]


def _rates(curves, look, x_label, y_label):
    """Rates over FAR, from a list of (run, FAR, rate)."""
    if not any(len(far) for _, far, _ in curves):
        return None
    with matplotlib.rc_context(LOOK):
        figure, panel = new_panel()
        lines = draw_lines(panel, curves, look)
        panel.set(xlabel=x_label, ylabel=y_label, xscale="log")
        # From one false accept of the test that has most pairs on.
        panel.set_xlim(min(0.1, *(far.min() for _, far, _ in curves if len(far))), 1)
        zoom(panel, np.concatenate([rate for *_, rate in curves]))
        legend_below(figure, lines, [run.name for run, *_ in curves])
    return figure
