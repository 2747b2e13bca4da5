"""The files that an evaluation leaves: report.json, .md and .html, plots and scores."""

import csv
import dataclasses
import io
import os

from pipelines.files import write_json, write_text
from sparseface_tf.evaluation import plots, tables
from sparseface_tf.evaluation.page import write_page

REPORT = "report.json"


def write_report(folder, sections, results, command, facts):
    """Writes the numbers as JSON and Markdown, the plots, and the page.

    Args:
        folder: where to.
        sections: list of `Section`.
        results: dict from a section's name to what `as_json` makes of each of its runs.
        command: what was called, a string.
        facts: list of (label, text) on the whole evaluation.

    Returns:
        text: the Markdown.
        page: path of the page.

    Raises:
        OSError: if a file cannot be written.
    """
    text = tables.markdown_summary(sections)
    write_text(os.path.join(folder, "report.md"), text)
    plots.write_plots(folder, sections)
    page = os.path.join(folder, "report.html")
    write_page(
        page, sections, title="Evaluation of face recognition", command=command, facts=facts
    )
    # Last: with it the evaluation is finished.
    write_json(
        os.path.join(folder, REPORT),
        {
            "command": command,
            "facts": dict(facts),
            "protocols": {
                section.name: {
                    "title": section.title,
                    "facts": section.facts,
                    "how": section.how,
                    "runs": results[section.name],
                    "comparisons": [dataclasses.asdict(c) for c in section.comparisons],
                    "tables": section.tables,
                }
                for section in sections
            },
        },
    )
    return text, page


def write_scores(path, protocol, found):
    """A CSV (RFC 4180) with the scores of all pairs by all runs.

    Args:
        path: the file.
        protocol: one of pairs.
        found: list of `Found`.
    """
    test = protocol.test
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["first", "second", "same", "fold", *(one.run.name for one in found)])
    rows = zip(protocol.pair_names(), test.same, test.fold, *(one.scores for one in found))
    for names, same, fold, *scores in rows:
        table.writerow([*names, int(same), fold, *(f"{score:.9g}" for score in scores)])
    write_text(path, text.getvalue())


def as_json(found):
    """What report.json holds of a run: every number, its interval, and how it was obtained."""
    result = found.result
    if not isinstance(result, dict):
        result = dataclasses.asdict(result)
    else:
        result = {name: dataclasses.asdict(part) for name, part in result.items()}
    run = found.run
    numbers = {name: dataclasses.asdict(number) for name, number in run.numbers.items()}
    return {"system": run.system, "scorer": run.scorer, "numbers": numbers, "result": result}
