"""Plots of an evaluation: ROC, DET, open-set search, CMC and histograms of scores.

A colour is a system and a line style a scorer, over all plots of a report. Every function takes a
list of `Run`, draws those that have the data and returns a matplotlib figure, or None if none has.
"""

import math
import os
import re
import textwrap

import matplotlib
import numpy as np
import scipy.stats
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipelines.files import write_atomically

# Told apart by colour-blind readers too: those of Okabe and Ito (2008) without yellow, which is
# faint on white, then three of Tol's muted ones.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
           "#882255", "#999933", "#777777")
LINES = ("solid", (0, (4, 1.6)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
GENUINE, IMPOSTOR = COLOURS[:2]

LOOK = {
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

# Percentages with a tick on a DET plot, those first that are to stay where space is short.
_PERCENT = (
    *(1, 10, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001, 50, 90, 99, 99.9, 99.99),
    *(5, 20, 80, 95, 2, 40, 60, 98, 0.5, 0.2, 0.05, 0.02, 0.005, 0.002, 99.5, 99.8),
)
_CLOSEST = 1e-12  # to 0 and 1 that the normal deviate scale goes


def styles(runs):
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


def plot_roc(runs, look=None):
    """TAR over FAR, on a logarithmic axis.

    Args:
        runs: list of `Run`.
        look: `styles` to draw with; default: those of these runs.

    Returns:
        A matplotlib figure; None if no run has a ROC.
    """
    curves = [(run, *_positive(run.roc)) for run in runs if run.roc is not None]
    return _rates(curves, look or styles(runs), "False accept rate", "True accept rate")


def plot_search(runs, look=None):
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
        figure, panel = _panel()
        lines = _draw(panel, curves, look)
        panel.set(xlabel=x_label, ylabel=y_label, xscale="log")
        # From one false accept of the test that has most pairs on.
        panel.set_xlim(min(0.1, *(far.min() for _, far, _ in curves if len(far))), 1)
        _zoom(panel, np.concatenate([rate for *_, rate in curves]))
        legend_below(figure, lines, [run.name for run, *_ in curves])
    return figure


def plot_det(runs, look=None):
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
        figure, panel = _panel()
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
        lines = _draw(panel, curves, look or styles(runs))
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


def plot_cmc(runs, look=None):
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
        figure, panel = _panel()
        lines = _draw(panel, curves, look or styles(runs))
        for line in lines:
            line.set(marker="o", markersize=3.2, markevery=_marked(len(line.get_xdata())))
        panel.set(xlabel="Rank", ylabel="Identification rate", xscale="log")
        panel.set_xlim(0.94, max(end, 2) * 1.06)
        panel.xaxis.set_major_locator(FixedLocator(_ticks(max(end, 2))))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:,.0f}"))
        _zoom(panel, np.concatenate([rate[:end] for *_, rate in curves]))
        legend_below(figure, lines, [run.name for run, *_ in curves])
    return figure


def _ticks(end):
    """1, 2, 5, 10, … up to an end."""
    decades = range(1 + math.floor(math.log10(end)))
    return [n * 10**power for power in decades for n in (1, 2, 5) if n * 10**power <= end]


def _marked(ranks):
    """Indexes of the ranks with a tick: a marker there is read off, one at all is a band."""
    return [rank - 1 for rank in _ticks(ranks)]


def plot_histograms(runs):
    """Scores of genuine and impostor pairs, a panel for each run, with the thresholds.

    Args:
        runs: list of `Run`.

    Returns:
        A matplotlib figure; None if no run has a histogram.
    """
    runs = [run for run in runs if run.histogram is not None]
    if not runs:
        return None
    columns = min(len(runs), 2)
    rows = math.ceil(len(runs) / columns)
    with matplotlib.rc_context({**LOOK, "axes.grid": False, "axes.spines.left": False}):
        figure = new_figure(4.1 * columns, 2.3 * rows + 0.4)
        panels = figure.subplots(rows, columns, squeeze=False)
        for panel in panels.ravel()[len(runs):]:
            panel.set_axis_off()
        for run, panel in zip(runs, panels.ravel()):
            edges = np.asarray(run.histogram.edges)
            for counts, colour in (
                (run.histogram.impostor, IMPOSTOR),
                (run.histogram.genuine, GENUINE),
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
        for panel in panels[-1] if len(runs) % columns == 0 else panels.ravel()[-columns:]:
            panel.set_xlabel("Score")
        figure.supylabel("Density", fontsize=9)
        marks = [
            Patch(facecolor=colour + "59", edgecolor=colour)
            for colour in (GENUINE, IMPOSTOR)
        ]
        marks.append(Line2D([], [], color="#222222", linewidth=0.8, linestyle=(0, (4, 2))))
        kinds = ["genuine pairs", "impostor pairs", "threshold"]
        if not any(run.thresholds for run in runs):
            del marks[-1], kinds[-1]
        figure.legend(marks, kinds, loc="outside upper center", ncols=len(kinds))
    return figure


def _panel():
    figure = new_figure(WIDTH, HEIGHT)
    return figure, figure.subplots()


def new_figure(width, height):
    """An empty figure of so many inches whose parts make room for each other."""
    margins = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    return Figure(figsize=(width, height), layout=margins)


def _draw(panel, curves, look):
    """Lines of a list of (run, x, y); a single point is a dot."""
    return [
        panel.plot(
            x, y, marker="o" if len(x) == 1 else "", **look[run.system, run.scorer]
        )[0]
        for run, x, y in curves
    ]


def _zoom(panel, rates):
    """A linear axis of rates from just below the lowest to just above the highest one."""
    low, high = rates.min(), rates.max()
    margin = max(0.04 * (high - low), 0.002)
    panel.set_ylim(low - margin, high + margin)


def legend_below(figure, lines, names):
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


FIGURES = {
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


def figures(section, look=None):
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


def slugs(sections):
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


def write_plots(folder, sections):
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
