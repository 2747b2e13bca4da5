"""Plots of an evaluation: ROC, DET, open-set search, CMC and histograms of scores.

A colour is a system and a line style a scorer, over all plots of a report. Every function takes a
list of `Run`, draws those that have the data and returns a matplotlib figure, or None if none has.
"""

from sparseface_tf.evaluation.plots.cmc import plot_cmc
from sparseface_tf.evaluation.plots.det import plot_det
from sparseface_tf.evaluation.plots.files import FIGURES, figures, slugs, write_plots
from sparseface_tf.evaluation.plots.histograms import plot_histograms
from sparseface_tf.evaluation.plots.look import (
    COLOURS,
    HEIGHT,
    LINES,
    LOOK,
    WIDTH,
    legend_below,
    new_figure,
    styles,
)
from sparseface_tf.evaluation.plots.rates import plot_roc, plot_search

__all__ = [
    "COLOURS",
    "FIGURES",
    "HEIGHT",
    "LINES",
    "LOOK",
    "WIDTH",
    "figures",
    "legend_below",
    "new_figure",
    "plot_cmc",
    "plot_det",
    "plot_histograms",
    "plot_roc",
    "plot_search",
    "slugs",
    "styles",
    "write_plots",
]
