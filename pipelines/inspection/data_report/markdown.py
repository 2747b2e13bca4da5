"""The report on sets of faces as a text, for people."""

from collections.abc import Mapping
from typing import Any

from pipelines.inspection.landmark_sanity import ENLARGED, RESIDUAL, TILTED, UPSIDE_DOWN
from pipelines.tables import markdown_table

LONGEST = 20  # entries of lists that are cut
LISTED = 5  # images of each fault in the text; the dict lists all
KINDS = {
    "picture": "in the evaluation set themselves",
    "file": "called like a file of the evaluation set",
    "name": "of an identity that the evaluation set has by name",
    "person": "of an identity with a picture in the evaluation set",
    "several": "under two identities",
    "copy": "copies within an identity",
}


def text(report: Mapping[str, Any]) -> str:
    """The report as Markdown.

    Args:
        report: dict with "data" and if there is one "test_data", each from `summary`, "overlap"
            from `overlap_summary` or None, and "excluded", a dict from each kind of reason to the
            number of images.

    Returns:
        A string that ends with a newline.
    """
    sets = [report[key] for key in ("data", "test_data") if report.get(key)]
    parts = [markdown_table([["", *(each["set"] for each in sets)], *_rows(sets)])]
    for each in sets:
        parts += _faults(each)
        parts += _shared(each)
    if report.get("overlap"):
        parts += _overlap(report["overlap"], sets[1]["set"])
    excluded = [[title, report["excluded"].get(kind, 0)] for kind, title in KINDS.items()]
    rows = [[title, f"{count:,}"] for title, count in excluded if count]
    if rows:
        parts.append("To leave out of training:\n\n" + markdown_table([["", "images"], *rows]))
    return "\n".join(parts)


def _rows(sets):
    """Rows of the table of all sets."""
    files, landmarks, duplicates = (
        [each[key] for each in sets] for key in ("files", "landmarks", "duplicates")
    )

    def row(title, value, parts=sets):
        return [title, *("" if part is None else _shown(value(part)) for part in parts)]

    def fault(title, key):
        return row(title, lambda part: len(part[key]), landmarks)

    rows = [
        row("identities", lambda s: s["identities"]),
        row("images", lambda s: s["images"]),
        row("unreadable", lambda s: len(s["unreadable"])),
        row("images of an identity", lambda s: s["images_of_an_identity"]),
        row("identities with one image", lambda s: s["identities_with_one_image"]),
        row("formats", lambda f: ", ".join(f"{k} {n:,}" for k, n in f["formats"].items()), files),
        row("of another format than called", lambda f: len(f["called_otherwise"]), files),
        row("megabytes", lambda f: round(f["bytes"] / 1e6), files),
        row("width", lambda s: s["width"]),
        row("height", lambda s: s["height"]),
        row("grey", lambda s: s["grey"]),
        row("without contrast", lambda s: len(s["without_contrast"])),
        fault("landmarks missing", "missing"),
        fault("all in one point", "one_point"),
        fault("outside the image", "outside"),
        fault("left and right exchanged", "exchanged"),
        fault("upside down", "upside_down"),
        fault(f"tilted by {TILTED:g}° to {UPSIDE_DOWN:g}°", "tilted"),
        fault(f"implausible, residual above {RESIDUAL:g}", "implausible"),
        row("enlarged to 112 x 96", lambda part: part["enlarged"], landmarks),
        fault(f"enlarged more than {ENLARGED:g} times", "small"),
        row("groups of equal images", lambda d: len(d["equal"]), duplicates),
        row("near pairs within an identity", lambda d: _count(d["near"], True), duplicates),
        row("near pairs across identities", lambda d: _count(d["near"], False), duplicates),
        row("copies within an identity", lambda d: len(d["copies"]), duplicates),
        row("images under two identities", lambda d: len(d["under_two_identities"]), duplicates),
    ]
    # What is not known of any set, such as the files of rendered faces.
    return [row for row in rows if any(row[1:])]


def _count(pairs, within):
    return sum(pair["one_identity"] == within for pair in pairs)


def _shown(value):
    if value is None:
        return ""
    if isinstance(value, dict):
        if value["least"] == value["greatest"]:
            return f"{value['least']:g}"
        return "{least:g} to {greatest:g}, median {median:g}, mean {mean:.1f}".format(**value)
    return value if isinstance(value, str) else f"{value:,}"


def _faults(part):
    """The worst landmarks of a set, and what cannot be read."""
    lines = [f"{one['image']}: {one['reason']}" for one in part["unreadable"][:LISTED]]
    yield from _section(f"Unreadable in {part['set']}", lines, len(part["unreadable"]))
    titles = {
        "outside": "outside the image by {:.2f} eye distances",
        "exchanged": "{} exchanged",
        "upside_down": "upside down, turned by {:.0f}°",
        "tilted": "tilted by {:.0f}°",
        "implausible": "{:.2f} eye distances from the template",
        "small": "enlarged {:.1f} times",
        "one_point": "all in one point",
    }
    lines = [
        f"{one['image']}: {title.format(one['value'])}"
        for fault, title in titles.items()
        for one in part["landmarks"][fault][:LISTED]
    ]
    yield from _section(f"Worst landmarks in {part['set']}", lines)


def _shared(part):
    identities = part["duplicates"]["identities_that_share"]
    lines = [
        f"{' and '.join(one['identities'])}: {one['images']} images" for one in identities[:LONGEST]
    ]
    title = f"Identities of {part['set']} that share photographs, perhaps one person"
    yield from _section(title, lines, len(identities))


def _overlap(overlap, other):
    names = overlap["identities_by_name"]
    people = overlap["identities_by_picture"]
    for title, lines in (
        ("Identities with a name in {}", [f"{a}: {b}" for a, b in names["same"]]),
        (
            "Identities with a name in {} but for the first word",
            [f"{a}: {b}" for a, b in names["but_prefix"]],
        ),
        (
            "Identities with the same number as in {}; they stay in, as numbers tell little",
            [f"{a}: {b}" for a, b in names["numbered"]],
        ),
        (
            "Identities with a picture in {}",
            [f"{one['identity']}: {one['other']}, {one['images']} images" for one in people],
        ),
        (
            "Files called as in {}",
            [f"{one['image']}: {one['other']}" for one in overlap["files"]],
        ),
    ):
        yield from _section(title.format(other), lines[:LONGEST], len(lines))
    if not any(map(len, (*names.values(), people, overlap["files"], overlap["images"]))):
        yield f"Nothing in common with {other} was found.\n"


def _section(title, lines, total=None):
    """A list below its title, if there is anything on it."""
    if lines:
        rest = (total or len(lines)) - len(lines)
        more = [f"… and {rest:,} more"] if rest else []
        yield f"{title}:\n\n" + "".join(f"* {line}\n" for line in lines + more)
