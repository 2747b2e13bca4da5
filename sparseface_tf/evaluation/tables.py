"""The numbers of an evaluation as tables, for the page and as Markdown."""

import math
from typing import NamedTuple

from pipelines.tables import markdown_table

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Cell(NamedTuple):
    """A number as it is printed.

    Attributes:
        value: such as "0.9873 ± 0.0012".
        interval: such as "[0.9850, 0.9895]", or "".
        note: what ± and the interval are, if the column does not say it for all; or "".
        best: whether no other run's is better, as far as is printed.
    """

    value: str
    interval: str
    note: str
    best: bool


class Column(NamedTuple):
    """Head of a column.

    Attributes:
        title: the number's name.
        over: title of the section it is from, in the summary; or "".
        note: what ± and the interval are, if it is so for all runs; or "".
        section: the section's place in the list, in the summary; or None.
    """

    title: str
    over: str
    note: str
    section: int | None


class Table(NamedTuple):
    """Numbers of runs.

    Attributes:
        columns: list of `Column`.
        rows: list of (system, scorer, list of `Cell` or None where there is no such number).
    """

    columns: list
    rows: list


def formatted(value, like=None):
    """A number as it is printed: four decimals for a share, more for tiny ones.

    Args:
        value: a float.
        like: the number it stands beside, with as many decimals; default: itself.
    """
    if not math.isfinite(value):
        return "n/a"
    size = abs(value if like is None else like)
    if size >= 100:
        text = f"{value:,.1f}"
    elif size >= 0.001 or size == 0 or not math.isfinite(size):
        text = f"{value:.4f}"
    elif size >= 1e-5:
        text = f"{value:.6f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", "−")


def formatted_interval(interval, like=None):
    """An interval (low, high) as it is printed; "" for None. For `like` see `formatted`."""
    return "" if interval is None else "[" + ", ".join(formatted(x, like) for x in interval) + "]"


def formatted_p(p):
    """A p-value as it is printed, such as "0.034" or "1.0 · 10⁻³⁰"."""
    if not math.isfinite(p):
        return "n/a"
    if p >= 0.001:
        return f"{p:.3f}"
    if p < 1e-300:  # hardly a float any more
        return "< 10⁻³⁰⁰"
    digits, exponent = f"{p:.1e}".split("e")
    return f"{digits} · 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def formatted_number(number):
    """A `Number` with its spread, without its interval, such as "0.9873 ± 0.0012"."""
    value = formatted(number.value)
    return value if number.spread is None else f"{value} ± {formatted(number.spread, number.value)}"


def note(number):
    """What stands behind ± and in brackets, such as "± standard error, [95 %] over 10 folds"."""
    parts = [] if number.spread is None else [f"± {number.spread_is}".rstrip()]
    parts += [] if number.interval is None else ["[95 %]"]
    text = ", ".join(parts)
    return f"{text} over {number.over}".strip() if number.over else text


def headline(section):
    """Name of a section's first number."""
    return next(iter(section.runs[0].numbers), "")


def section_table(section):
    """All numbers of all runs of a section, a `Table`."""
    names = list(dict.fromkeys(name for run in section.runs for name in run.numbers))
    columns = [_column([run.numbers.get(name) for run in section.runs]) for name in names]
    return Table(
        [Column(name, "", shared, None) for name, (shared, _) in zip(names, columns)],
        [
            (run.system, run.scorer, [cells[row] for _, cells in columns])
            for row, run in enumerate(section.runs)
        ],
    )


def summary_table(sections):
    """The headline number of every section, a `Table` with a row for each system and scorer."""
    runs = list(dict.fromkeys((run.system, run.scorer) for s in sections for run in s.runs))
    heads, columns = [], []
    for place, section in enumerate(sections):
        name = headline(section)
        numbers = {(run.system, run.scorer): run.numbers.get(name) for run in section.runs}
        shared, cells = _column([numbers.get(run) for run in runs])
        heads.append(Column(name, section.title, shared, place))
        columns.append(cells)
    return Table(heads, [(*run, [c[row] for c in columns]) for row, run in enumerate(runs)])


def _column(numbers):
    """The note that all numbers share, or "", and the list of `Cell`s; None stays None."""
    present = [number for number in numbers if number is not None]
    notes = {note(number) for number in present}
    shared = notes.pop() if len(notes) == 1 else ""
    best = _best(present)
    cells = [
        None
        if number is None
        else Cell(
            formatted_number(number),
            formatted_interval(number.interval, number.value),
            "" if shared else note(number),
            formatted(number.value) == best,
        )
        for number in numbers
    ]
    return shared, cells


def _best(numbers):
    """The best of some numbers as it is printed; None where all are equal."""
    finite = [number for number in numbers if math.isfinite(number.value)]
    if len({formatted(number.value) for number in finite}) < 2:
        return None
    choose = min if finite[0].lower_is_better else max
    return formatted(choose(number.value for number in finite))


def comparison_rows(comparisons):
    """`Comparison`s as rows of strings, the first row the head."""
    head = ["first", "second", "only first correct", "only second correct", "both correct", "neither",
            "difference", "95 % interval", "p"]
    rows = [
        [
            c.first,
            c.second,
            *(f"{count:,}" for count in (c.only_first, c.only_second, c.both, c.neither)),
            ("+" if c.difference > 0 else "") + formatted(c.difference),
            formatted_interval(c.interval, c.difference),
            formatted_p(c.p_value),
        ]
        for c in comparisons
    ]
    return [head, *rows]


def markdown_summary(sections):
    """The headlines of all sections, then all numbers of each, as Markdown.

    Args:
        sections: list of `Section`.

    Returns:
        A string that ends with a newline. The best value of a column is bold.
    """
    text = "## Summary\n\n" + _markdown(summary_table(sections))
    for section in sections:
        text += f"\n## {_escaped(section.title)}\n\n"
        facts = "".join(f"* {_escaped(fact)}\n" for fact in section.facts)
        text += facts + "\n" * bool(facts) + _markdown(section_table(section))
        if section.comparisons:
            text += "\nMcNemar's test:\n\n" + markdown_rows(comparison_rows(section.comparisons))
        for title, rows in section.tables.items():
            text += f"\n{_escaped(title)}:\n\n" + markdown_rows(rows)
        text += f"\n{_escaped(section.how)}\n" if section.how else ""
    return text


def _markdown(table):
    rows = [["system", "scorer", *(": ".join(filter(None, c[1::-1])) for c in table.columns)]]
    for system, scorer, cells in table.rows:
        rows.append([system, scorer, *map(_plain, cells)])
    notes = {}
    for column in table.columns:
        if column.note:
            notes.setdefault(column.note, []).append(column.over or column.title)
    said = "".join(f"* {_escaped(', '.join(of))}: {_escaped(text)}\n" for text, of in notes.items())
    bold = {(r, c) for r, row in enumerate(table.rows, 1) for c, cell in enumerate(row[2], 2)
            if cell and cell.best}
    return markdown_rows(rows, bold) + "\n" * bool(said) + said


def _plain(cell):
    if cell is None:
        return "–"
    remark = f"({cell.note})" if cell.note else ""
    return " ".join(filter(None, (cell.value, cell.interval, remark)))


def markdown_rows(rows, bold=()):
    """A Markdown table of any strings; `bold` are (row, column) of those to stress."""
    cells = [[_escaped(text) for text in row] for row in rows]
    for row, column in bold:
        cells[row][column] = f"**{cells[row][column]}**"
    return markdown_table(cells)


def _escaped(text):
    """Text in which Markdown sees neither markup nor the end of a cell."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for sign in "|*_`":
        text = text.replace(sign, f"\\{sign}")
    return text
