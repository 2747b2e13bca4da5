"""DET: both kinds of errors on the scale of the normal deviate."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import scipy.stats
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sparseface_tf.evaluation.plots.look import (
    LOOK,
    Look,
    draw_lines,
    legend_below,
    new_panel,
    styles,
)
from sparseface_tf.evaluation.section import Run

# Percentages with a tick on a DET plot, those first that are to stay where space is short.
_PERCENT = (
    *(1, 10, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001, 50, 90, 99, 99.9, 99.99),
    *(5, 20, 80, 95, 2, 40, 60, 98, 0.5, 0.2, 0.05, 0.02, 0.005, 0.002, 99.5, 99.8),
)
_CLOSEST = 1e-12  # to 0 and 1 that the normal deviate scale goes


def plot_det(runs: Sequence[Run], look: Look | None = None) -> Figure | None:
    """FRR over FAR, both on the scale of the normal deviate, on which normal scores are lines.

    Rates of 0 and 1 are infinitely far away there and left out.

    Args:
        runs: list of `Run`.
        look: `styles` to draw with; default: those of these runs.

    Returns:
        A matplotlib figure; None if no run has a point to draw.
    """
    curves = []
    for run in runs:
        if run.roc is not None:
            far, frr = np.asarray(run.roc.far, np.float64), 1 - np.asarray(run.roc.rate, np.float64)
            inside = np.minimum(np.minimum(far, 1 - far), np.minimum(frr, 1 - frr)) > _CLOSEST
            curves.append((run, far[inside], frr[inside]))
    fars, frrs = (
        np.concatenate([curve[i] for curve in curves]) if curves else np.empty(0) for i in (1, 2)
    )
    if not len(fars):
        return None
    with matplotlib.rc_context(LOOK):
        figure, panel = new_panel()
        scale = _deviate, scipy.stats.norm.cdf
        # Beyond 50 % nobody works; a system that is as bad is still shown there.
        right = max(0.5, fars.min() * 2) if fars.min() < 0.45 else fars.max()
        seen = frrs[fars <= right]
        for axis, (low, high) in (
            ("x", (fars.min(), right)),
            ("y", (seen.min(), max(seen.max(), min(0.5, seen.min() * 10)))),
        ):
            low, high = scipy.stats.norm.cdf(_deviate([low, high]) + [-0.06, 0.06])
            getattr(panel, f"set_{axis}lim")(low, high)
            getattr(panel, f"set_{axis}scale")("function", functions=scale)
            line = getattr(panel, f"{axis}axis")
            # Numbers stand beside each other on one axis, one above the other on the other.
            ticks = _percents(low, high, letter=0.016 if axis == "x" else 0)
            line.set_major_locator(FixedLocator(ticks / 100))
            line.set_minor_locator(NullLocator())
            line.set_major_formatter(FuncFormatter(lambda rate, _: _percent(rate * 100)))
        panel.set(xlabel="False accept rate (%)", ylabel="False reject rate (%)")
        equal = scipy.stats.norm.cdf(np.linspace(-7, 7, 100))
        panel.plot(equal, equal, color="#999999", linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        lines = draw_lines(panel, curves, look or styles(runs))
        names = [
            run.name if len(far) else f"{run.name} (FRR 0 wherever FAR is above 0)"
            for run, far, _ in curves
        ]
        legend_below(figure, lines, names)
    return figure


def _deviate(rate):
    return scipy.stats.norm.ppf(np.clip(rate, _CLOSEST, 1 - _CLOSEST))


def _percent(percent):
    return f"{percent:.9f}".rstrip("0").rstrip(".")


def _percents(low, high, letter):
    """Ticks between two rates.

    Args:
        low, high: rates at the ends of the axis.
        letter: width of a letter along the axis, of the axis' length.

    Returns:
        Percentages, a float64 array, ascending, whose numbers do not touch.
    """
    kept = []
    for percent in _PERCENT:
        place = (_deviate(percent / 100) - _deviate(low)) / (_deviate(high) - _deviate(low))
        half = letter * len(_percent(percent)) / 2
        if 0 <= place <= 1 and all(
            abs(place - other) >= max(0.05, half + other_half + letter)
            for _, other, other_half in kept
        ):
            kept.append((percent, place, half))
    return np.sort([percent for percent, *_ in kept])
