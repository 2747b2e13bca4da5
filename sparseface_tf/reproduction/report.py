"""A table as Markdown, as a page, as JSON and as pictures."""

import dataclasses
import os

from pipelines.files import write_atomically, write_json
from sparseface_tf.evaluation.page import svg, write_html
from sparseface_tf.evaluation.tables import markdown_rows
from sparseface_tf.reproduction.tables.base import NONE, told_difference

CLAIMS, PAIRED = "What holds", "Paired tests on the same pairs"
_REMARKS = {
    CLAIMS: (
        "What the paper says, and the difference found here, positive where it is as the paper "
        "says. It holds, or does not, where the 95 % interval excludes 0, and of a single seed "
        "where McNemar’s p is below 0.05, too; n values are behind it. Nothing is decided by "
        "networks of which neither is better than chance (binomial test at 5 %). "
        "The intervals are not corrected for the number of claims."
    ),
    PAIRED: (
        "Difference: share of correct decisions of the first less that of the second, mean over "
        "seeds, with its 95 % interval. Pairs that one decides correctly and the other does not "
        "are summed over seeds; as seeds may decide the same pairs these sums give no test, and "
        "McNemar’s exact test, two-sided, is each seed’s own. Nothing is corrected for the number "
        "of tests."
    ),
}


class Report:
    """Writes tables into the folder of the runs.

    Args:
        folder: where to.
        command: what was called, a string.
        facts: list of (label, text) on data and seeds.
    """

    def __init__(self, folder, command, facts):
        self.folder, self.command, self.facts = folder, command, facts

    def write(self, table, findings):
        """Writes one table: .md, .html, .json and a .png for each plot.

        Args:
            table: a `Table`.
            findings: its `Findings`.

        Returns:
            The Markdown, a string that ends with a newline.
        """
        os.makedirs(self.folder, exist_ok=True)
        stem = os.path.join(self.folder, _slug(table.name))
        (_, main), *others = findings.tables.items()
        if findings.claims:
            others.insert(0, (CLAIMS, claim_rows(findings.claims)))
        text = self._markdown(table, main, others, findings.notes)
        write_atomically(f"{stem}.md", lambda file: file.write(text.encode("utf-8")))
        write_json(f"{stem}.json", self._as_json(table, findings))
        figures = []
        for name, (caption, figure) in findings.figures.items():
            write_atomically(
                f"{stem}_{name}.png",
                lambda file, drawn=figure: drawn.savefig(file, format="png", dpi=150),
            )
            figures.append((name, caption, svg(figure, f"{name}-", f"{table.title}. {caption}")))
        parts = [
            (f"part{number}", caption, rows, _REMARKS.get(caption, ""))
            for number, (caption, rows) in enumerate(others, 1)
        ]
        write_html(
            f"{stem}.html",
            __package__,
            "table.html.j2",
            title=table.title,
            command=self.command,
            facts=self.facts,
            contents=[(id, caption) for id, caption, *_ in parts],
            main=main,
            notes=findings.notes,
            figures=figures,
            parts=parts,
        )
        return text

    def _markdown(self, table, main, others, notes):
        text = f"# {table.title}\n\n{markdown_rows(main)}\n"
        for caption, rows in others:
            text += f"## {caption}\n\n{markdown_rows(rows)}\n"
            text += f"{_REMARKS[caption]}\n\n" if caption in _REMARKS else ""
        text += "".join(f"* {note}\n" for note in notes)
        text += "".join(f"* {label}: {text}\n" for label, text in self.facts)
        return f"{text}\n    {self.command}\n"

    def _as_json(self, table, findings):
        return {
            "table": table.name,
            "title": table.title,
            "command": self.command,
            "facts": dict(self.facts),
            "how": findings.notes,
            **findings.numbers,
            "claims": [
                {**dataclasses.asdict(claim), "verdict": claim.verdict}
                for claim in findings.claims
            ],
        }


def claim_rows(claims):
    """`Claim`s as rows of strings, the first row the head."""
    rows = [["claim", "paper", "here", "n", "verdict"]]
    for claim in claims:
        paper = NONE
        if claim.published is not None:
            paper = _signed(claim.published, claim.scale)
        n = len(claim.difference.values) if claim.difference else 0
        here = told_difference(claim.difference, claim.scale)
        if claim.difference and claim.scale == 100:
            here += " points"
        rows.append([claim.text, paper, here, str(n), claim.verdict])
    return rows


def _signed(value, scale):
    return f"{scale * value:+.{2 if scale == 100 else 4}f}".replace("-", "−")


def _slug(name):
    return f"table{name}" if name.isdecimal() else name
