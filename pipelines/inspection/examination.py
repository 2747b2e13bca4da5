"""What is wrong in a set of faces, what it shares with another, and what to leave out."""

import collections
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.source import Faces
from pipelines.inspection.duplicates import BLANK, DISTANCE, Matches, match
from pipelines.inspection.landmark_sanity import Faults, Fit, faults
from pipelines.inspection.overlap import NamesInCommon, files_in_common, names_in_common
from pipelines.inspection.repeated import equal_groups, later_copies, under_several
from pipelines.inspection.survey import Survey, survey


class Examination(NamedTuple):
    """What was found in one set.

    Attributes:
        title: what the set is called.
        distance: bits in which the hashes of two pictures of one photograph may differ.
        survey: `Survey` of its images.
        faults, fit: `Faults` and `Fit` of its landmarks; unreadable images have no faults.
        first: int64 (n,), for every image the first one that equals it.
        matches: `Matches` between images that are the first of their kind.
        copies: dict, see `later_copies`.
        several: dict, see `under_several`.
    """

    title: str
    distance: int
    survey: Survey
    faults: Faults
    fit: Fit
    first: NDArray[np.int64]
    matches: Matches
    copies: dict[int, int]
    several: dict[int, int]


class Common(NamedTuple):
    """What two sets have in common.

    Attributes:
        names: `NamesInCommon` of their identities.
        files: list of pairs (image, image of the other set) with the same telling name.
        matches: `Matches` of images of the first set and of the other; of equal images the first.
        pictures: dict from the number of each image that is in the other set as well, itself or
            in a copy, to the nearest image there and the bits in which the two differ.
        people: dict from (identity, identity of the other set) to the number of such images.
    """

    names: NamesInCommon
    files: list[tuple[int, int]]
    matches: Matches
    pictures: dict[int, tuple[int, int]]
    people: dict[tuple[str, str], int]


def examine(
    source: Faces, *, title: str = "", distance: int = DISTANCE, progress: bool = True
) -> Examination:
    """Reads all images of a source once and looks for what may be wrong with them.

    Args:
        source: source of faces, such as `FolderFaces`.
        title: what the set is called.
        distance: bits in which the hashes of two pictures of one photograph may differ.
        progress: show progress bars.

    Returns:
        An `Examination`.

    Raises:
        ValueError: if no image can be read, or too many pairs are near.
    """
    measured = survey(source, title=f"Reading {title}".strip(), progress=progress)
    readable = measured.readable()
    if not readable.any():
        number, reason = next(iter(measured.unreadable.items()))
        raise ValueError(
            f"None of the {len(readable)} images can be read, the first is "
            f"{source.name(number)} ({reason}): give a folder of photographs."
        )
    found, fit = faults(measured.landmarks, measured.sizes)
    found = found.among(readable)

    height, width = measured.sizes.T
    first = equal_groups(measured.fingerprint, height, width)
    unread = np.flatnonzero(~readable)
    first[unread] = unread
    compared = _comparable(measured, first)
    matches = match(
        measured.hashes[compared], measured.mirrored[compared], distance=distance, progress=progress
    )
    matches = matches._replace(first=compared[matches.first], second=compared[matches.second])
    return Examination(
        title=title,
        distance=distance,
        survey=measured,
        faults=found,
        fit=fit,
        first=first,
        matches=matches,
        copies=later_copies(source.labels, first, matches),
        several=under_several(source.labels, first, matches),
    )


def compare(examined: Examination, other: Examination, *, progress: bool = True) -> Common:
    """Looks for what a set has in common with another one.

    Args:
        examined, other: `Examination` of each; photographs are matched at the first one's distance.
        progress: show progress bars.

    Returns:
        A `Common`.

    Raises:
        ValueError: if too many pairs are near.
    """
    ours, theirs = examined.survey, other.survey
    mine, yours = (_comparable(each.survey, each.first) for each in (examined, other))
    matches = match(
        ours.hashes[mine],
        ours.mirrored[mine],
        theirs.hashes[yours],
        distance=examined.distance,
        progress=progress,
    )
    matches = matches._replace(first=mine[matches.first], second=yours[matches.second])

    nearest: dict[int, tuple[int, int]] = {}
    for a, b, bits in zip(*(part.tolist() for part in matches[:3])):
        nearest.setdefault(a, (b, bits))
    pictures = {
        image: nearest[group] for image, group in enumerate(examined.first.tolist())
        if group in nearest
    }
    people = collections.Counter(
        (_identity(ours.source, image), _identity(theirs.source, b))
        for image, (b, _) in pictures.items()
    )
    return Common(
        names=names_in_common(ours.source.identities, theirs.source.identities),
        files=files_in_common(*(
            [each.source.name(i) for i in range(len(each.source))] for each in (ours, theirs)
        )),
        matches=matches,
        pictures=pictures,
        people=dict(people),
    )


def exclusions(
    examined: Examination, other: Examination | None = None, common: Common | None = None
) -> dict[int, tuple[str, str]]:
    """Images that should be left out of training.

    They are those of the other set, with all others of the people in them, as verification is
    tested on strangers; then all that stand under several identities, one of which is wrong; then
    those that their identity has in a copy already.

    Args:
        examined: `Examination` of the set to train on.
        other: that of the set to test on, if any.
        common: `Common` of the two.

    Returns:
        Dict from the number of each image to (kind, reason), in order; the kind is "picture",
        "file", "name", "person", "several" or "copy".
    """
    source = examined.survey.source
    found: dict[int, tuple[str, str]] = {}
    if other is not None and common is not None:
        theirs = other.survey.source
        for image, (b, bits) in common.pictures.items():
            found[image] = "picture", f"in the evaluation set: {theirs.name(b)}, {bits} bits apart"
        for image, b in common.files:
            found.setdefault(
                image, ("file", f"file name in the evaluation set: {theirs.name(b)}")
            )
        called = dict(reversed(common.names.same + common.names.but_prefix))
        seen = {identity: b for identity, b in reversed(common.people)}
        for image, label in enumerate(source.labels.tolist()):
            identity = source.identities[label]
            if identity in called:
                reason = f"identity in the evaluation set by name: {called[identity]}"
                found.setdefault(image, ("name", reason))
            elif identity in seen:
                reason = f"identity in the evaluation set by a picture: {seen[identity]}"
                found.setdefault(image, ("person", reason))
    for image, another in examined.several.items():
        found.setdefault(image, ("several", f"under two identities: {source.name(another)}"))
    for image, kept in examined.copies.items():
        found.setdefault(image, ("copy", f"copy of {source.name(kept)}"))
    return dict(sorted(found.items()))


def _comparable(measured, first):
    """Numbers of the images whose hashes tell something: one of those of equal pixels."""
    alone = first == np.arange(len(first))
    return np.flatnonzero(alone & measured.readable() & (measured.contrast >= BLANK))


def _identity(source, image):
    return source.identities[source.labels[image]]
