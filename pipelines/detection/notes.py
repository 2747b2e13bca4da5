"""What was found in a folder of photographs, noted such that a kill loses no work.

A line a photograph is noted in a file beside landmarks.csv; the tables are written from it at the
end, or when the next run begins.
"""

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.landmarks import add_landmarks, read_landmarks
from pipelines.faces.names import Names
from pipelines.files import write_text

TABLE, REPORT, NOTES = "landmarks.csv", "detect_report.csv", "landmarks.csv.partial"
REPORT_COLUMNS = ["path", "faces", "reason"]


class Counts(NamedTuple):
    """What is known of a folder's photographs.

    Attributes:
        photographs: all of them.
        found: those with landmarks.
        several: those of several faces, of which one was chosen.
        none: those that have a row in the table, but no landmarks.
        unreadable: those that could not be read.
    """

    photographs: int
    found: int
    several: int
    none: int
    unreadable: int


@contextlib.contextmanager
def noting(folder: str, names: Sequence[str]) -> Iterator[Callable[..., None]]:
    """Gives a function that notes a line; writes the tables at the end, whatever ends it.

    Args:
        folder: folder of photographs.
        names: names of all of them, in order.

    Raises:
        OSError: if the folder cannot be written to.
    """
    try:
        file = open(os.path.join(folder, NOTES), "a", encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"Cannot write into {folder} ({error.strerror}): landmarks.csv belongs beside the "
            "identities; make the folder writable, or copy it."
        ) from None

    def note(**row):
        file.write(json.dumps(row) + "\n")
        file.flush()

    try:
        with file:
            yield note
    finally:
        write_tables(folder, names)


def write_tables(folder: str, names: Sequence[str]) -> None:
    """Brings the notes into landmarks.csv and the report, and removes them.

    Repeating it changes nothing, so that a kill in between does no harm.
    """
    notes = os.path.join(folder, NOTES)
    if not os.path.exists(notes):
        return
    rows = {}
    with open(notes, encoding="utf-8", errors="replace") as file:
        for line in file:
            # The last line is torn if a run was killed while it wrote.
            with contextlib.suppress(json.JSONDecodeError):
                row = json.loads(line)
                rows[row["path"]] = row
    add_landmarks(
        os.path.join(folder, TABLE),
        {
            name: (row.get("confidence"), row.get("landmarks"))
            for name, row in rows.items()
            if "faces" in row
        },
    )
    report = _read_report(folder)
    for name, row in rows.items():
        report.pop(name, None)
        if row.get("faces") == 0:
            report[name] = ("0", "no face found")
        elif row.get("faces", 1) > 1:
            report[name] = (str(row["faces"]), "several faces: the largest and most central taken")
        elif "reason" in row:
            report[name] = ("", row["reason"])
    _write_report(folder, {name: report[name] for name in names if name in report})
    os.unlink(notes)


def _read_report(folder):
    """The report, a dict from a photograph's name to number of faces and reason, as texts."""
    path = os.path.join(folder, REPORT)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != REPORT_COLUMNS or any(len(row) != 3 for row in rows):
        raise ValueError(
            f"{path} is not a report of faces found, with the columns "
            f"{', '.join(REPORT_COLUMNS)}: move it away."
        )
    return {name: (faces, reason) for name, faces, reason in rows[1:]}


def _write_report(folder, report):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    writer.writerows((name, *entry) for name, entry in report.items())
    write_text(os.path.join(folder, REPORT), text.getvalue())


def known_landmarks(folder: str) -> dict[str, NDArray[np.float32]]:
    """What landmarks.csv holds, see `read_landmarks`; nothing if there is none."""
    path = os.path.join(folder, TABLE)
    return read_landmarks(path) if os.path.exists(path) else {}


def counts_of(folder: str, names: Sequence[str]) -> Counts:
    """What the tables of a folder say of its photographs."""
    table, report = known_landmarks(folder), _read_report(folder)
    there, values = Names([*table]), [*table.values()]
    rows = [values[i] for i in map(there.find, names) if i >= 0]
    none = sum(bool(np.isnan(row).any()) for row in rows)
    several = sum(name in report and report[name][0] not in ("", "0") for name in names)
    unread = len(names) - len(rows)
    return Counts(len(names), len(rows) - none, several, none, unread)
