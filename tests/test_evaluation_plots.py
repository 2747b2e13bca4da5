"""Plots of an evaluation: what is drawn is what was given, whatever was given."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from properties import examples

from sparseface_tf.evaluation import metrics, plots
from sparseface_tf.evaluation.metrics import Curve, Histogram
from sparseface_tf.evaluation.section import Number, Run, Section

ROC = Curve((0.0, 0.001, 0.01, 0.1, 1.0), (0.2, 0.7, 0.9, 0.97, 1.0))
SEARCH = Curve((0.0, 0.01, 0.1, 1.0), (0.1, 0.4, 0.6, 0.65))
CMC = (0.7, 0.8, 0.85, 0.9, 0.9)
HISTOGRAM = Histogram((-1.0, 0.0, 0.5, 2.0), (0, 1, 9), (4, 6, 0))


def run(system="N₁", scorer="cosine", **data):
    return Run(system, scorer, {"accuracy": Number(0.9)}, **data)


def full(system="N₁", scorer="cosine"):
    data = {"roc": ROC, "search": SEARCH, "cmc": CMC, "histogram": HISTOGRAM}
    return run(system, scorer, thresholds=(0.2, 0.3), **data)


def lines(figure):
    """Lines of the first panel, but for the one of equal error rates."""
    return [line for line in figure.axes[0].get_lines() if line.get_color() != "#999999"]


def names(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(figure):
    """The figure with all in its place; fails where matplotlib cannot draw it."""
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("plot, curve", [(plots.plot_roc, ROC), (plots.plot_search, SEARCH)])
def test_rates_over_far(plot, curve):
    other = Curve((0.0, 0.0005, 1.0), (0.3, 0.5, 0.8))
    data = {plots.plot_roc: "roc", plots.plot_search: "search"}[plot]
    runs = [run("a", **{data: curve}), run("none"), run("b", **{data: other})]
    figure = plot(runs)
    panel = figure.axes[0]
    assert panel.get_xscale() == "log"
    first, second = lines(figure)
    np.testing.assert_array_equal(first.get_data(), [curve.far[1:], curve.rate[1:]])
    np.testing.assert_array_equal(second.get_data(), [other.far[1:], other.rate[1:]])
    assert names(figure) == ["a, cosine", "b, cosine"]
    assert panel.get_xlim() == (0.0005, 1)
    low, high = panel.get_ylim()
    rates = curve.rate[1:] + other.rate[1:]
    assert min(rates) - 0.05 < low < min(rates) and max(rates) < high < max(rates) + 0.05
    drawn(figure)


def test_det():
    figure = plots.plot_det([run("a", roc=ROC), run("b", roc=Curve((0.0, 0.1, 1.0), (1, 1, 1)))])
    panel = figure.axes[0]
    first, second = lines(figure)
    # Neither FAR 0 nor FRR 0.
    np.testing.assert_allclose(first.get_data(), [(0.001, 0.01, 0.1), (0.3, 0.1, 0.03)])
    assert not len(second.get_xdata())
    assert "FRR 0" in names(figure)[1] and "FRR" not in names(figure)[0]
    # On the scale of the normal deviate, 2.3 % is half as far from 50 % as 0.003 % is.
    for transform, at in ((panel.transData, 0), (panel.transData, 1)):
        places = transform.transform([[p, p] for p in (0.5, 0.158655, 0.0227501)])[:, at]
        assert places[0] - places[1] == pytest.approx(places[1] - places[2], rel=1e-4)
    drawn(figure)
    ticks = [text.get_text() for text in panel.get_xticklabels()]
    assert {"0.1", "1", "10"} <= set(ticks)
    (low, high), ticks = panel.get_xlim(), panel.get_xticks()
    assert low < 0.001 and 0.1 < high < 1 and (low <= ticks).all() and (ticks <= high).all()


def test_det_numbers_do_not_touch():
    figure = plots.plot_det([run(roc=Curve((1e-8, 1e-3, 0.5), (0.01, 0.6, 0.99999)))])
    drawn(figure)
    panel = figure.axes[0]
    for labels, first, last in (
        (panel.get_xticklabels(), "x1", "x0"),
        (panel.get_yticklabels(), "y1", "y0"),
    ):
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) > 4
        for box, following in zip(boxes, boxes[1:]):
            assert getattr(box, first) < getattr(following, last)


def test_cmc():
    flat = (0.5, *[0.6] * 99)
    figure = plots.plot_cmc([run("a", cmc=CMC), run("b", cmc=flat), run("none")])
    first, second = lines(figure)
    np.testing.assert_array_equal(first.get_data(), [range(1, 6), CMC])
    np.testing.assert_array_equal(second.get_data(), [range(1, 101), flat])
    panel = figure.axes[0]
    assert panel.get_xscale() == "log"
    # Nothing rises after rank 4: the axis ends at 10.
    assert 0.9 < panel.get_xlim()[0] < 1 and 10 < panel.get_xlim()[1] < 11
    drawn(figure)
    assert [text.get_text() for text in panel.get_xticklabels()] == ["1", "2", "5", "10"]
    rising = plots.plot_cmc([run(cmc=tuple(np.linspace(0.5, 0.9, 100)))])
    assert 100 < rising.axes[0].get_xlim()[1] < 110
    drawn(plots.plot_cmc([run(cmc=(0.5,))]))


def test_histograms():
    figure = plots.plot_histograms([full(), run("none"), run("b", histogram=HISTOGRAM)])
    panels = [panel for panel in figure.axes if panel.get_title()]
    assert [panel.get_title() for panel in panels] == ["N₁, cosine", "b, cosine"]
    for panel in panels:
        # Each kind is an area and its outline.
        impostor, _, genuine, _ = [patch.get_data() for patch in panel.patches]
        np.testing.assert_array_equal(genuine.edges, HISTOGRAM.edges)
        np.testing.assert_allclose(genuine.values, [0, 0.2, 0.6])
        np.testing.assert_allclose(impostor.values, [0.4, 1.2, 0])
    assert [line.get_xdata()[0] for line in panels[0].get_lines()] == [0.2, 0.3]
    assert not panels[1].get_lines()
    drawn(figure)
    one = plots.plot_histograms([run(histogram=Histogram((0.0, 1.0), (0,), (0,)))])
    assert names(one) == ["genuine pairs", "impostor pairs"]
    drawn(one)


def test_nothing_to_draw():
    for plot, _ in plots.FIGURES.values():
        assert plot([run(), run("b")]) is None
    assert plots.plot_det([run(roc=Curve((0.0, 0.5, 1.0), (1.0, 1.0, 1.0)))]) is None
    assert plots.plot_roc([run(roc=Curve((0.0,), (1.0,)))]) is None


def test_colour_is_the_system_and_line_the_scorer():
    runs = [full(f"system {n}", scorer) for n in range(5) for scorer in ("cosine", "JB")]
    look = plots.styles(runs)
    for a in runs:
        for b in runs:
            one, other = look[a.system, a.scorer], look[b.system, b.scorer]
            assert (one["color"] == other["color"]) == (a.system == b.system)
            assert (one["linestyle"] == other["linestyle"]) == (a.scorer == b.scorer)
    # The same in a section that lacks some of them.
    figure = plots.plot_roc(runs[3:5], look)
    assert [line.get_color() for line in lines(figure)] == [plots.COLOURS[1], plots.COLOURS[2]]
    assert len(set(plots.COLOURS)) == 10


@pytest.mark.parametrize("count", [1, 2, 5, 10])
def test_legend_hides_nothing(count):
    runs = [full(f"system number {n}") for n in range(count)]
    heights = set()
    for plot in (plots.plot_roc, plots.plot_det, plots.plot_search, plots.plot_cmc):
        figure = plot(runs)
        drawn(figure)
        panel = figure.axes[0].get_tightbbox()
        legend = figure.legends[0].get_window_extent()
        assert legend.y1 <= panel.y0 and legend.y0 >= 0
        assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1
        heights.add(round(figure.axes[0].get_window_extent().height, -1))
    # The curves have as much room as without it.
    assert min(heights) > 0.7 * plots.HEIGHT * 100


def test_names_are_text():
    hostile = ["_hidden", "$x^$", '<b>&"x"', "{\\frac"]
    figure = plots.plot_roc([full(name) for name in hostile])
    assert names(figure) == [f"{name}, cosine" for name in hostile]
    drawn(figure)
    drawn(plots.plot_histograms([full(name) for name in hostile]))


scores = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12)


@examples(6)
@given(genuine=scores, impostor=scores)
def test_any_scores_can_be_drawn(genuine, impostor):
    both = metrics.Scores.sorting(np.array(genuine, np.float32), np.array(impostor, np.float32))
    curve = metrics.tar_curve(both)
    measured = run(roc=curve, search=curve, histogram=metrics.histogram(both), cmc=(curve.rate[0],))
    section = Section("any", "Any", [], "", [measured])
    for figure in plots.figures(section).values():
        for panel in drawn(figure).axes:
            assert np.isfinite([*panel.get_xlim(), *panel.get_ylim()]).all()


def test_write_plots(tmp_path):
    sections = [
        Section("lfw", "LFW", [], "", [dataclasses.replace(full(), search=None, cmc=None)]),
        Section("blufr", "BLUFR", [], "", [run(search=SEARCH)]),
        Section("ytf", "YTF", [], "", [run()]),
    ]
    folder = tmp_path / "new"
    paths = plots.write_plots(folder, sections)
    expected = ["lfw_roc.png", "lfw_det.png", "lfw_histograms.png", "blufr_search.png"]
    assert [os.path.basename(path) for path in paths] == expected
    assert sorted(os.listdir(folder)) == sorted(expected)
    assert imread(paths[0]).shape[1] == round(plots.WIDTH * 150)
    with pytest.raises(ValueError, match="named lfw"):
        plots.write_plots(folder, [sections[0], sections[0]])
