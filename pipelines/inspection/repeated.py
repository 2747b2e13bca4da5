"""What photographs that are there more than once mean: copies, and images of two identities."""

import numpy as np
from numpy.typing import NDArray

from pipelines.inspection.duplicates import Matches


def equal_groups(*keys: NDArray) -> NDArray[np.int64]:
    """For every image the first one that equals it.

    Args:
        keys: integer arrays (n,); images are equal where all of them are.

    Returns:
        int64 array (n,); the image's own number where no earlier one equals it.
    """
    table = np.stack([np.asarray(key).astype(np.int64) for key in keys], axis=1)
    _, first, group = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return first[group.reshape(-1)].astype(np.int64)


def later_copies(
    labels: NDArray[np.integer], first: NDArray[np.int64], matches: Matches
) -> dict[int, int]:
    """Images that their identity has in a copy already.

    They are taken in order, and one is a copy if it equals or is near one that was kept: of a row
    of pictures each near the next one only, every other is kept.

    Args:
        labels: integer array (n,), identity of every image.
        first: int64 array (n,), see `equal_groups`.
        matches: `Matches` between images that are the first of their kind.

    Returns:
        Dict from the number of each copy to that of the image it copies, in order.
    """
    near: dict[int, list[int]] = {}
    for a, b in zip(matches.first.tolist(), matches.second.tolist()):
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    kept: dict[tuple[int, int], int] = {}
    copies: dict[int, int] = {}
    for image, (label, group) in enumerate(zip(labels.tolist(), first.tolist())):
        for other in (group, *near.get(group, ())):
            if (label, other) in kept:
                copies[image] = kept[label, other]
                break
        else:
            kept[label, group] = image
    return copies


def under_several(
    labels: NDArray[np.integer], first: NDArray[np.int64], matches: Matches
) -> dict[int, int]:
    """Images that stand, themselves or in a copy, under more than one identity.

    Args:
        labels, first, matches: as in `later_copies`.

    Returns:
        Dict from the number of each of them to that of one under another identity, in order.
    """
    members: dict[int, list[int]] = {}
    for image, group in enumerate(first.tolist()):
        members.setdefault(group, []).append(image)
    identities = labels.tolist()
    found: dict[int, int] = {}
    # Equal ones first, then near ones, nearest first: the nearest is named.
    groups = [(group, group) for group, images in members.items() if len(images) > 1]
    groups += zip(matches.first.tolist(), matches.second.tolist())
    for a, b in groups:
        for these, those in ((members[a], members[b]), (members[b], members[a])):
            # One witness of each identity is enough, two identities prove all.
            witnesses = {identities[image]: image for image in reversed(those)}
            for image in these:
                other = next((w for k, w in witnesses.items() if k != identities[image]), None)
                if other is not None:
                    found.setdefault(image, other)
    return dict(sorted(found.items()))
