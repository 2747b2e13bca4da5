"""The report on sets of faces: as a dict for programs, as a text for people."""

import collections

import numpy as np

from pipelines.inspection.duplicates import BLANK
from pipelines.inspection.landmark_sanity import ENLARGED, RESIDUAL, TILTED, UPSIDE_DOWN
from pipelines.tables import markdown_table

# How the files of each format are called.
SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "GIF": (".gif",), "BMP": (".bmp",)}
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


def summary(examined):
    """All counts and lists of one set.

    Args:
        examined: `Examination` of it.

    Returns:
        A dict for JSON. Lists of faults and pairs begin with the worst and the nearest.
    """
    measured, source = examined.survey, examined.survey.source
    readable = measured.readable()
    counts = np.bincount(source.labels)
    height, width = measured.sizes[readable].T
    sizes = collections.Counter(zip(width.tolist(), height.tolist()))
    return {
        "set": examined.title,
        "identities": len(source.identities),
        "images": len(source),
        "images_of_an_identity": _spread(counts),
        "identities_with_one_image": int((counts == 1).sum()),
        "unreadable": _listed(source, measured.unreadable, "reason"),
        "files": _files(measured, readable),
        "width": _spread(width),
        "height": _spread(height),
        "sizes": [
            {"width": w, "height": h, "images": k} for (w, h), k in sizes.most_common(LONGEST)
        ],
        "grey": int(measured.grey.sum()),
        "without_contrast": [
            source.name(i) for i in np.flatnonzero(readable & (measured.contrast < BLANK))
        ],
        "landmarks": {
            **{k: _listed(source, v, "value") for k, v in examined.faults._asdict().items()},
            "scale": _spread(examined.fit.scale),
            "enlarged": int((examined.fit.scale > 1).sum()),
            "roll": _spread(examined.fit.roll),
            "residual": _spread(examined.fit.residual),
            "farthest": _farthest(examined),
        },
        "duplicates": _duplicates(examined),
    }


def _farthest(examined):
    """Images with the greatest residuals, mostly profiles where landmarks are right."""
    residual = examined.fit.residual
    known = np.flatnonzero(np.isfinite(residual))
    worst = known[np.argsort(-residual[known], kind="stable")[:LONGEST]]
    return _listed(
        examined.survey.source, dict(zip(worst.tolist(), residual[worst].tolist())), "value"
    )


def _files(measured, readable):
    if not len(measured.bytes):
        return None
    name = measured.source.name
    formats = {i: measured.formats[i] for i in np.flatnonzero(readable)}
    return {
        "bytes": int(measured.bytes.sum()),
        "formats": dict(collections.Counter(formats.values()).most_common()),
        "called_otherwise": [
            name(i) for i, f in formats.items() if not name(i).lower().endswith(SUFFIXES.get(f, ""))
        ],
    }


def _duplicates(examined):
    source, labels = examined.survey.source, examined.survey.source.labels
    name = source.name
    groups = {}
    for image, group in enumerate(examined.first.tolist()):
        groups.setdefault(group, []).append(name(image))
    shared = collections.Counter(
        tuple(sorted(source.identities[labels[i]] for i in pair))
        for pair in examined.several.items()
    )
    return {
        "distance": examined.distance,
        "equal": [images for images in groups.values() if len(images) > 1],
        "near": _pairs(source, source, examined.matches, labels),
        "under_two_identities": _listed(source, examined.several, "other", name),
        "identities_that_share": [
            {"identities": pair, "images": count} for pair, count in shared.most_common()
        ],
        "copies": _listed(source, examined.copies, "of", name),
    }


def overlap_summary(examined, other, common):
    """All counts and lists of what a set has in common with the one to test on.

    Args:
        examined, other: `Examination` of each.
        common: `Common` of the two.

    Returns:
        A dict for JSON.
    """
    source, theirs = examined.survey.source, other.survey.source
    return {
        "identities_by_name": common.names._asdict(),
        "identities_by_picture": [
            {"identity": a, "other": b, "images": count} for (a, b), count in common.people.items()
        ],
        "files": [{"image": source.name(a), "other": theirs.name(b)} for a, b in common.files],
        "images": [
            {"image": source.name(a), "other": theirs.name(b), "bits": bits}
            for a, (b, bits) in common.pictures.items()
        ],
    }


def _listed(source, images, key, value=lambda value: value):
    """[{"image": …, key: …}] of a dict from images."""
    return [{"image": source.name(i), key: value(v)} for i, v in images.items()]


def _pairs(source, other, matches, labels):
    return [
        {
            "images": [source.name(a), other.name(b)],
            "bits": bits,
            "mirrored": mirrored,
            "one_identity": bool(labels[a] == labels[b]),
        }
        for a, b, bits, mirrored in zip(*(part.tolist() for part in matches))
    ]


def _spread(values):
    """Least, median, mean and greatest of what is known; None if nothing is."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    spread = values.min(), np.median(values), values.mean(), values.max()
    return dict(zip(("least", "median", "mean", "greatest"), map(float, spread)))


def text(report):
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
