"""Plots of the tables, in the look of the evaluation's."""

import math

import matplotlib
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from sparseface_tf.evaluation.plots import COLOURS, LOOK, legend_below, new_figure

# Of networks that stand by themselves.
_MARKERS = "s^Dv<>ph"


def plot_trade_off(points, published):
    """Accuracy over the share of parameters kept, ours and beside it the paper's (Table 4).

    Args:
        points: list of (S of 5a as text, share kept, `Measure` of the accuracy).
        published: list of (S of 5a as text, share kept, accuracy).

    Returns:
        A matplotlib figure.
    """
    with matplotlib.rc_context(LOOK):
        figure = new_figure(8.2, 3.4)
        ours, paper = figure.subplots(1, 2)
        for panel, title, values in (
            (ours, "here", [(kept, share, one.mean) for kept, share, one in points]),
            (paper, "the paper", published),
        ):
            shares = [share for _, share, _ in values]
            panel.plot(shares, [value for *_, value in values], color=COLOURS[0], marker="o")
            for kept, share, value in values:
                panel.annotate(kept, (share, value), xytext=(4, 5), textcoords="offset points")
            panel.set(title=title, xlabel="Parameters kept", xscale="log")
            panel.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.3, 0.5, 0.7, 1]))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
            panel.margins(0.12)
        _bars(ours, [(share, one) for _, share, one in points])
        ours.set_ylabel("Accuracy")
    return figure


def plot_widths(widths, others, published, published_others):
    """Classification over multiply-adds: one network at its widths, and others beside it.

    Args:
        widths: dict from the name of a width to (multiply-adds in G, accuracy), joined by a line.
        others: the same of other networks, which stand by themselves.
        published: as `widths`, of the poster.
        published_others: as `others`, of the poster.

    Returns:
        A matplotlib figure.
    """
    with matplotlib.rc_context(LOOK):
        figure = new_figure(9.4, 3.8)
        panels = figure.subplots(1, 2)
        titles = ("here", "the poster, additions counted too")
        both = ((widths, others), (published, published_others))
        names, drawn = list(others | published_others), {}
        for panel, title, (line, points) in zip(panels, titles, both):
            if line:
                panel.plot(*zip(*line.values()), color=COLOURS[0], marker="o")
            # The line rises to the right: on the left there is room above it.
            for name, place in line.items():
                panel.annotate(
                    name, place, xytext=(-5, 3), textcoords="offset points", ha="right", fontsize=7
                )
            for name, place in points.items():
                number = names.index(name)
                drawn[name] = panel.plot(
                    *place,
                    _MARKERS[number % len(_MARKERS)],
                    color=COLOURS[1:][number % len(COLOURS[1:])],
                    markersize=6,
                    alpha=0.8,
                )[0]
            panel.set(title=title, xlabel="Multiply-adds, G", xscale="log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda adds, _: f"{adds:g}"))
            # For the names.
            panel.margins(x=0.2, y=0.12)
        legend_below(figure, list(drawn.values()), list(drawn))
        panels[0].set_ylabel("Held-out images identified")
    return figure


def plot_accuracies(groups):
    """Every seed's accuracy, in groups that stand side by side.

    Args:
        groups: dict from a group to a dict from a name to a `Measure`.

    Returns:
        A matplotlib figure.
    """
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    with matplotlib.rc_context(LOOK):
        figure = new_figure(max(5.4, 2.2 * len(groups) + 1), 3.4)
        panel, lines = figure.subplots(), {}
        for place, group in enumerate(groups.values()):
            for name, measure in group.items():
                number = names.index(name)
                x = place + 0.8 * ((number + 0.5) / len(names) - 0.5)
                colour = COLOURS[number % len(COLOURS)]
                values = list(measure.values.values())
                lines[name] = panel.plot(
                    [x] * len(values), values, "o", color=colour, markersize=4, alpha=0.7
                )[0]
                half = 0.3 / len(names)
                panel.plot([x - half, x + half], [measure.mean] * 2, color=colour)
        panel.set_xticks(range(len(groups)), list(groups))
        panel.grid(False, axis="x")
        panel.set_ylabel("Accuracy")
        legend_below(figure, list(lines.values()), list(lines))
    return figure


def plot_learning_curves(curves):
    """The identification loss along the training of a stage (Table 7).

    Args:
        curves: dict from a structure to a dict from a name to the histories of its seeds, lists of
            dicts with "step" and "f_identity_loss".

    Returns:
        A matplotlib figure.
    """
    names = list(dict.fromkeys(name for group in curves.values() for name in group))
    with matplotlib.rc_context(LOOK):
        figure = new_figure(3.3 * len(curves), 3.0)
        panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
        lines = {}
        for panel, (structure, group) in zip(panels, curves.items()):
            for name, histories in group.items():
                colour = COLOURS[names.index(name)]
                for history in histories:
                    panel.plot(*_losses(history), color=colour, linewidth=0.6, alpha=0.5)
                shortest = min(len(history) for history in histories)
                steps = _losses(histories[0])[0][:shortest]
                mean = np.mean([_losses(history)[1][:shortest] for history in histories], axis=0)
                lines[name] = panel.plot(steps, mean, color=colour)[0]
            panel.set_title(structure)
            panel.set_xlabel("Mini-batch of the stage")
        panels[0].set_ylabel("Identification loss")
        legend_below(figure, list(lines.values()), list(lines))
    return figure


def _losses(history):
    return [line["step"] for line in history], [line["f_identity_loss"] for line in history]


def plot_ranks(densities):
    """How often weights of each magnitude rank are kept (Fig. 1).

    Args:
        densities: dict from a layer to a dict from "positive" and "negative" to the densities of
            equal bins of the relative rank, largest weights first.

    Returns:
        A matplotlib figure.
    """
    with matplotlib.rc_context(LOOK):
        figure = new_figure(3.0 * len(densities), 2.8)
        panels = figure.subplots(1, len(densities), squeeze=False, sharey=True)[0]
        lines = {}
        for panel, (layer, signs) in zip(panels, densities.items()):
            for colour, (sign, density) in zip(COLOURS, signs.items()):
                edges = np.linspace(0, 1, len(density) + 1)
                lines[sign] = panel.stairs(density, edges, color=colour, linewidth=1.4)
            panel.axhline(1, color="#999999", linewidth=0.8, linestyle=(0, (2, 2)))
            panel.set_title(layer)
            panel.set_xlabel("Rank of |w|, largest first")
            panel.set_xlim(0, 1)
        top = max(np.max(density) for signs in densities.values() for density in signs.values())
        panels[0].set_ylim(0, max(2.0, math.ceil(top * 11) / 10))
        panels[0].set_ylabel("Frequency against chance")
        legend_below(figure, list(lines.values()), [f"{sign} weights" for sign in lines])
    return figure


def _bars(panel, measures):
    """Error bars of a list of (x, `Measure`), as far as their intervals are known."""
    for x, measure in measures:
        if measure.interval:
            panel.plot([x, x], measure.interval, color=COLOURS[0], linewidth=1, alpha=0.6)
