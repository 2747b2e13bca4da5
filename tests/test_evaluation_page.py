"""The report's page and its Markdown: everything is in it, nothing is loaded, nothing is markup."""

import base64
import dataclasses
import io
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from faults import states_of
from PIL import Image

from sparseface_tf.evaluation import plots, tables
from sparseface_tf.evaluation.comparison import Comparison
from sparseface_tf.evaluation.metrics import Curve, Histogram
from sparseface_tf.evaluation.page import jpeg_uri, svg, write_page
from sparseface_tf.evaluation.report import write_report
from sparseface_tf.evaluation.section import Hardest, HardPair, Number, Run, Section

HOSTILE = '<b>&"x"</b>|*$\''
VOID = {"meta", "img", "br", "link", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Checks that elements are closed in order; keeps text, attributes and text of cells."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text, self.cells = [], [], "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("td", "th"):
            self.cells.append((dict(attributes).get("class"), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if "style" not in self.open:
            self.text += text
        if self.open and {"td", "th"} & set(self.open):
            kind, before = self.cells[-1]
            self.cells[-1] = kind, before + text

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def picture(seed, height=40, width=30):
    low = np.random.default_rng(seed).integers(0, 256, (4, 3, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(low).resize((width, height)))


def pair(score, seed=0, names=("Ann/1.jpg", "Bob/2.jpg")):
    return HardPair(names, (picture(seed), picture(seed + 1)), score, 0.5)


def run(system="N₁", scorer="cosine", numbers=None, **data):
    return Run(system, scorer, numbers or {"accuracy": Number(0.9)}, **data)


def lfw(systems=("N₁", "N₂")):
    runs = []
    for n, system in enumerate(systems):
        for m, scorer in enumerate(("cosine", "Joint Bayesian")):
            value = 0.9 + n / 50 + m / 100
            interval = (value - 0.01, value + 0.01)
            numbers = {
                "accuracy": Number(value, 0.0012, "standard error", interval, "10 folds"),
                "EER": Number(1 - value, interval=(0.01, 0.02), over="4,281 identities",
                              lower_is_better=True),
            }
            runs.append(run(
                system, scorer, numbers,
                roc=Curve((0.0, 0.01, 0.1, 1.0), (0.5, 0.7, value, 1.0)),
                histogram=Histogram((-1.0, 0.0, 1.0), (1, 9), (8, 2)),
                thresholds=(0.1, 0.12),
                hardest=Hardest((pair(0.9, n), pair(0.8, n)), (pair(-0.25, n),), 17, 1),
            ))
    comparison = Comparison("N₁, cosine", "N₂, cosine", 1200, 34, 4000, 6, -0.0123,
                            (-0.02, 0.0001), 1e-30)
    return Section("lfw", "LFW, View 2", ["6,000 pairs."], "Ten folds.", runs, [comparison],
                   {"Members": [["region", "cosine"], ["centre", "0.8123"]]})


def search(systems=("N₁", "N₂")):
    curve = Curve((0.0, 0.1, 1.0), (0.1, 0.5, 0.8))
    runs = [
        run(name, numbers={"rank 1": Number(0.7 - n / 10, 0.01, "standard deviation",
                                            over="10 trials")},
            search=curve, cmc=(0.7, 0.8, 0.9))
        for n, name in enumerate(systems)
    ]
    return Section("identification", "LFW, identification", [], "", runs)


def test_many_numbers_stand_in_rows(tmp_path):
    """Eight columns would be cut at the width of a window; the numbers are the same."""
    runs = [
        run(name, numbers={f"number {n}": Number(k + n / 10) for n in range(8)})
        for k, name in enumerate(("runs/one", "runs/two"))
    ]
    _, page = write(tmp_path, [Section("wide", "Wide", [], "", runs)])
    cells = [text.strip() for _, text in page.cells]
    start = cells.index("Number")
    assert [cell.split() for cell in cells[start + 1 : start + 3]] == [
        ["runs/one", "cosine"], ["runs/two", "cosine"]
    ]
    rows = [cells[k : k + 3] for k in range(start + 3, start + 27, 3)]
    for n, (name, first, second) in enumerate(rows):
        assert name == f"number {n}" and first == f"{n / 10:.4f}"
        assert second == f"{1 + n / 10:.4f} (best)"


def write(tmp_path, sections, title="Title", command="python evaluate.py", facts=()):
    path = tmp_path / "report.html"
    write_page(path, sections, title=title, command=command, facts=list(facts))
    assert os.listdir(tmp_path) == ["report.html"]
    text = path.read_text("utf-8")
    return text, Page(text)


COMMAND = "python evaluate.py --model='a b' --far=<1"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report with everything, as text and as `Page`."""
    return write(tmp_path_factory.mktemp("report"), [lfw(), search()], "Evaluation of A", COMMAND,
                 [("Data", "LFW & more")])


def test_everything_is_there(report):
    sections = [lfw(), search()]
    _, page = report
    for text in ("Evaluation of A", COMMAND, "Data", "LFW & more", "6,000 pairs.", "Ten folds.",
                 "LFW, View 2", "LFW, identification", "Members", "centre", "0.8123"):
        assert text in page.text
    cells = [text for _, text in page.cells]
    for section in sections:
        for measured in section.runs:
            assert cells.count(f"{measured.system} {measured.scorer}") >= 2
            for name, number in measured.numbers.items():
                value = f"{number.value:.4f}"
                spread = "" if number.spread is None else f" ± {number.spread:.4f}"
                ends = number.interval and " [{:.4f}, {:.4f}]".format(*number.interval)
                expected = value + spread + (ends or "")
                found = [cell for cell in cells if cell.replace(" (best)", "") == expected]
                assert found and any(name in cell for cell in cells)
    for cell in ("1,200", "34", "4,000", "6", "−0.0123", "[−0.0200, 0.0001]", "1.0 · 10⁻³⁰"):
        assert cell in cells
    assert "± standard error, [95 %] over 10 folds" in page.text
    assert "[95 %] over 4,281 identities" in page.text
    assert "± standard deviation over 10 trials" in page.text


def test_best_of_a_column_is_marked(report, tmp_path):
    _, page = report
    best = [text for kind, text in page.cells if kind == "best"]
    high, low = "0.9300 ± 0.0012 (best) [0.9200, 0.9400]", "0.0700 (best) [0.0100, 0.0200]"
    rank = "0.7000 ± 0.0100 (best)"
    assert best == [rank, high, high, low, rank]
    # A tie as far as is printed; nothing where there is only one, or all are alike.
    close = [run("a", numbers={"x": Number(0.50001), "y": Number(0.3), "z": Number(1.0)}),
             run("b", numbers={"x": Number(0.50002), "y": Number(0.3)}),
             run("c", numbers={"x": Number(0.4), "y": Number(0.3)})]
    _, page = write(tmp_path, [Section("s", "S", [], "", close)])
    assert [text for kind, text in page.cells if kind == "best"] == ["0.5000 (best)"] * 4


def test_nothing_is_loaded(report):
    text, page = report
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href"):
                assert value.startswith("data:image/jpeg;base64,") or value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value or ""):
                assert target.startswith("#") and target[1:] in ids
    assert all("url(" not in style for style in re.findall("<style>(.*?)</style>", text, re.S))


def test_plots_are_named(report):
    _, page = report
    labels = [attributes["aria-label"] for attributes in page.all("svg")]
    assert [label.split(".")[1].split()[0] for label in labels] == [
        "ROC:", "DET:", "Scores", "Open-set", "CMC:"
    ]
    assert all("N₁, cosine; N₁, Joint Bayesian" in label for label in labels[:3])
    assert {attributes["role"] for attributes in page.all("svg")} == {"img"}


def test_hard_pairs(report):
    _, page = report
    assert [("open" in attributes) for attributes in page.all("details")] == [True] + [False] * 3
    images = page.all("img")
    assert len(images) == 4 * 3 * 2
    assert [image["alt"] for image in images[:2]] == ["Ann/1.jpg", "Bob/2.jpg"]
    for image, seed in zip(images, (0, 1)):
        data = base64.b64decode(image["src"].removeprefix("data:image/jpeg;base64,"))
        decoded = np.asarray(Image.open(io.BytesIO(data)), np.float64)
        assert np.abs(decoded - picture(seed)).mean() < 12
    titles = [f["title"] for f in page.all("figure") if "title" in f]
    assert titles[0] == "Ann/1.jpg and Bob/2.jpg: score 0.9, threshold 0.5"
    assert titles[2].endswith("score −0.25, threshold 0.5")
    assert "17 false accepts, 1 false reject" in page.text
    assert "the worst 2 of 17" in page.text and "all 1" in page.text


def test_no_false_accepts(tmp_path):
    section = Section("s", "S", [], "", [run(hardest=Hardest((), (), 0, 0)), run("b")])
    _, page = write(tmp_path, [section])
    assert "0 false accepts, 0 false rejects" in page.text
    assert len(page.all("details")) == 1 and not page.all("img")


def test_names_are_text(report, tmp_path):
    hard = Hardest((pair(0.7, names=(HOSTILE, f"{HOSTILE}/2")),), (), 1, 0)
    numbers = {HOSTILE: Number(0.5, 0.1, HOSTILE, (0, 1), HOSTILE)}
    data = {"roc": Curve((0.1, 1.0), (0.5, 1.0)), "hardest": hard}
    section = Section(
        HOSTILE, HOSTILE, [HOSTILE], HOSTILE, [run(HOSTILE, HOSTILE, numbers, **data)],
        [Comparison(HOSTILE, HOSTILE, 0, 0, 0, 0, 0.0, (0.0, 0.0), 1.0)],
        {HOSTILE: [[HOSTILE], [HOSTILE]]},
    )
    _, page = write(tmp_path, [section], HOSTILE, HOSTILE, [(HOSTILE, HOSTILE)])
    assert len(page.all("b")) == 1  # the score of the pair
    known = {tag for tag, _ in report[1].elements}
    assert {tag for tag, _ in page.elements} <= known | {"wbr"}
    assert page.all("img")[0]["alt"] == HOSTILE
    assert page.text.count(HOSTILE) > 15
    for attributes in page.all("svg"):
        assert HOSTILE in attributes["aria-label"]

    summary = tables.markdown_summary([section])
    assert "<b>" not in summary
    for row in summary.splitlines():
        if row.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", row)) in (2, 4, 10)


@pytest.mark.parametrize("systems", [("N₁",), tuple(f"system {n}" for n in range(5))])
def test_one_run_or_many(tmp_path, systems):
    _, page = write(tmp_path, [lfw(systems), search(systems[:1])])
    # Who was not in a section has no number there.
    missing = [text for kind, text in page.cells if kind == "none"]
    assert missing == ["–"] * (2 * len(systems) - 1)


def test_bare_sections(tmp_path):
    bare = Section("s", "S", [], "", [run(numbers={"x": Number(0.25)})])
    none = Section("t", "T", [], "", [Run("N₁", "cosine", {})])
    _, page = write(tmp_path, [bare, none])
    assert "0.2500" in page.text
    assert not {"svg", "details", "img"} & {tag for tag, _ in page.elements}


def test_bad_reports(tmp_path):
    with pytest.raises(ValueError, match="needs a section"):
        write_page(tmp_path / "r.html", [], title="", command="", facts=[])
    with pytest.raises(ValueError, match="named lfw"):
        write_page(tmp_path / "r.html", [lfw(), lfw()], title="", command="", facts=[])
    with pytest.raises(OSError):
        write_page(tmp_path / "no" / "r.html", [lfw()], title="", command="", facts=[])
    assert not os.listdir(tmp_path)


def test_same_report_same_file(tmp_path):
    first, second = (write(tmp_path, [lfw(["N₁"])])[0] for _ in range(2))
    assert first == second


def test_svg_stands_alone():
    figure = plots.plot_roc([run(roc=Curve((0.1, 1.0), (0.5, 1.0)))])
    element = svg(figure, "a-", "label")
    assert element.startswith("<svg ") and "xmlns" not in element
    page = Page(str(element))
    assert all(a["id"].startswith("a-") for _, a in page.elements if "id" in a)
    assert "width" not in page.all("svg")[0] and "viewbox" in page.all("svg")[0]


def test_large_pictures_are_made_smaller():
    data = base64.b64decode(jpeg_uri(picture(0, 400, 300)).partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (120, 160)


@pytest.mark.parametrize("value, text", [
    (0.98734, "0.9873"), (1, "1.0000"), (0, "0.0000"), (-0.5, "−0.5000"), (0.00012345, "0.000123"),
    (1.5e-7, "1.5e−07"), (-1234.56, "−1,234.6"), (float("nan"), "n/a"), (float("inf"), "n/a"),
])
def test_formatted(value, text):
    assert tables.formatted(value) == text


def test_spread_and_interval_have_the_decimals_of_the_number():
    number = Number(0.98, 0.00004, "standard error", (0.97, 0.9900001))
    assert tables.formatted_number(number) == "0.9800 ± 0.0000"
    assert tables.formatted_interval((0.0, 0.0003), 0.00002) == "[0.000000, 0.000300]"
    assert tables.formatted_interval(None, 0.5) == ""


@pytest.mark.parametrize("p, text", [
    (1.0, "1.000"), (0.0341, "0.034"), (0.001, "0.001"), (0.00042, "4.2 · 10⁻⁴"),
    (1e-30, "1.0 · 10⁻³⁰"), (0.0, "< 10⁻³⁰⁰"), (float("nan"), "n/a"),
])
def test_formatted_p(p, text):
    assert tables.formatted_p(p) == text


def test_markdown():
    text = tables.markdown_summary([lfw(), search()])
    lines = text.splitlines()
    assert lines[0] == "## Summary" and text.endswith("\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    summary = cells[2:8]
    assert summary[0] == ["system", "scorer", "LFW, View 2: accuracy",
                          "LFW, identification: rank 1"]
    assert summary[2:4] == [
        ["N₁", "cosine", "0.9000 ± 0.0012 [0.8900, 0.9100]", "**0.7000 ± 0.0100**"],
        ["N₁", "Joint Bayesian", "0.9100 ± 0.0012 [0.9000, 0.9200]", "–"],
    ]
    assert "* LFW, View 2: ± standard error, [95 %] over 10 folds" in lines
    assert "* 6,000 pairs." in lines and "Ten folds." in lines and "Members:" in lines
    assert "1.0 · 10⁻³⁰" in text and ["centre", "0.8123"] in cells
    # Notes that differ within a column stand with their numbers.
    runs = [run("a", numbers={"x": Number(0.5, over="2 folds")}),
            run("b", numbers={"x": Number(0.5, over="3 folds")})]
    text = tables.markdown_summary([dataclasses.replace(search(), runs=runs)])
    assert "0.5000 (over 2 folds)" in text and "0.5000 (over 3 folds)" in text


def test_with_report_json_the_report_is_whole(tmp_path):
    sections, results = [lfw(), search()], {"lfw": [], "identification": []}

    def write():
        write_report(tmp_path / "report", sections, results, "evaluate.py", [("data", "faces")])

    (tmp_path / "copies").mkdir()
    (tmp_path / "report").mkdir()
    states = states_of(tmp_path / "report", tmp_path / "copies", write)
    assert len(states) > 10
    whole = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.json", "report.md", "report.html", "lfw_roc.png"} < whole
    for change, state in states:
        found = {path.name for path in state.iterdir() if not path.name.endswith(".partial")}
        assert "report.json" not in found or found == whole, change
