"""The report on sets of faces as a dict, for programs."""

import collections
from typing import Any

import numpy as np

from pipelines.inspection.duplicates import BLANK
from pipelines.inspection.examination import Common, Examination

# How the files of each format are called.
SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "GIF": (".gif",), "BMP": (".bmp",)}
LONGEST = 20  # sizes, and landmarks farthest from the template


def summary(examined: Examination) -> dict[str, Any]:
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
            source.name(i) for i in np.flatnonzero(readable & (measured.contrast < BLANK)).tolist()
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


def overlap_summary(
    examined: Examination, other: Examination, common: Common
) -> dict[str, Any]:
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
