"""Finding photographs that are there more than once.

A copy that was saved again, made smaller, brighter or cut out differently is known by a perceptual
hash. Faces that are aligned are all alike, so the usual 64 bits say too little: among 26,000 of
them 1,900 pairs came within 4 bits, two thirds of them of different people. 512 bits tell: 256
signs of a cosine transform (`imagehash.phash`) and 256 signs of the brightness' slope
(`imagehash.dhash`), which together found a sixth more than the better one alone at the same rate
of false alarms. They are taken from the aligned crop and not from the whole image: two sets that
hold the same photograph cut it out differently, and of whole images the same black borders are
alike.

How far two hashes may differ was chosen by eye on those images. Of 60 random pairs within 71 bits
all showed one photograph; of the 65 pairs of 68 to 71 bits about four were two pictures of one
session, of 32 beyond 71 bits already five.
"""

from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image
from tqdm import tqdm

HASH_SIZE = 16
HASH_BYTES = 2 * HASH_SIZE**2 // 8
DISTANCE = 71  # bits of 512 in which two pictures of one photograph may differ
# Below this standard deviation of its grey levels (of 255) a crop shows nothing to recognise.
BLANK = 4.0
MAX_PAIRS = 5_000_000
# Most pairs are told apart by the first 256 bits, which are compared by 64.
FIRST_WORDS = 4
BLOCK = 256  # rows and columns of the table of distances that are in memory at a time


class Matches(NamedTuple):
    """Pairs of images whose hashes are near.

    Attributes:
        first, second: int64 arrays (k,), numbers of the images.
        distance: int64 array (k,), bits in which they differ.
        mirrored: bool array (k,), whether one is a mirror image of the other.
    """

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    mirrored: np.ndarray


def perceptual_hash(crop):
    """The hash of an aligned crop and that of its mirror image.

    Args:
        crop: uint8 array (height, width), grey levels.

    Returns:
        uint8 array (2, 64): 512 bits of the crop, and of the crop mirrored.
    """
    hashes = []
    for view in (crop, crop[:, ::-1]):
        picture = Image.fromarray(np.ascontiguousarray(view))
        parts = [make(picture, HASH_SIZE).hash for make in (imagehash.phash, imagehash.dhash)]
        hashes.append(np.packbits(np.stack(parts)))
    return np.stack(hashes)


def near_pairs(rows, columns, *, distance=DISTANCE, upper=False, progress=None):
    """All pairs of hashes within a distance, exactly.

    Every hash is compared with every other, block by block, so that memory stays flat: 26,000
    images take about two seconds of a core, four times as many sixteen times as long.

    Args:
        rows: uint8 array (n, bytes), the bytes a multiple of 8.
        columns: uint8 array (m, bytes).
        distance: largest number of bits in which two hashes may differ.
        upper: only pairs whose row is less than their column, for two hashes of the same images.
        progress: title of a progress bar; None shows none.

    Returns:
        row, column and distance of each pair, int64 arrays (k,), in order of row and column.

    Raises:
        ValueError: if there are more than `MAX_PAIRS`.
    """
    rows, columns = (np.ascontiguousarray(h, np.uint8).view(np.uint64) for h in (rows, columns))
    found, total = [np.zeros((3, 0), np.int64)], 0
    tops = range(0, len(rows), BLOCK)
    for top in tqdm(tops, progress, unit=" blocks", disable=progress is None):
        for left in range(top if upper else 0, len(columns), BLOCK):
            pairs = _near_in_block(rows[top:], columns[left:], distance)
            pairs[:2] += [[top], [left]]
            if upper:
                pairs = pairs[:, pairs[0] < pairs[1]]
            found.append(pairs)
            total += pairs.shape[1]
            if total > MAX_PAIRS:
                raise ValueError(
                    f"More than {MAX_PAIRS:,} pairs of images are within {distance} bits of each "
                    "other: ask for a smaller distance, or remove what is there so often."
                )
    found = np.concatenate(found, axis=1)
    return tuple(found[:, np.lexsort((found[1], found[0]))])


def _near_in_block(rows, columns, distance):
    """Row, column and distance, int64 (3, k), of the near pairs of the first `BLOCK` of each."""
    rows, columns = rows[:BLOCK], columns[:BLOCK]
    bits = np.zeros((len(rows), len(columns)), np.uint8)
    for word in range(min(FIRST_WORDS, rows.shape[1])):
        bits += np.bitwise_count(rows[:, None, word] ^ columns[None, :, word])
    # 256 differing bits count as none in a byte; all words of what is left are counted anew.
    row, column = np.nonzero(bits <= distance)
    bits = np.bitwise_count(rows[row] ^ columns[column]).sum(axis=1, dtype=np.int64)
    return np.stack([row, column, bits])[:, bits <= distance]


def match(hashes, mirrored, others=None, *, distance=DISTANCE, progress=False):
    """Near pairs within a set of images or between two, mirror images among them.

    Args:
        hashes, mirrored: uint8 arrays (n, 64), see `perceptual_hash`.
        others: uint8 array (m, 64), hashes of another set; default: pairs within the first.
        distance: largest number of bits in which two hashes may differ.
        progress: show progress bars.

    Returns:
        `Matches`, nearest first; `first` in the first set, `second` in the other, or later in the
        same one. A pair that is near both as it is and mirrored is there once, as what is nearer.
    """
    within = others is None
    parts = []
    for number, left in enumerate((hashes, mirrored)):
        name = ("Comparing", "Comparing mirrored")[number] if progress else None
        right = hashes if within else others
        pairs = near_pairs(left, right, distance=distance, upper=within, progress=name)
        parts.append((*pairs, np.full(len(pairs[0]), bool(number))))
    first, second, bits, flipped = (np.concatenate(part) for part in zip(*parts))
    order = np.lexsort((second, first, flipped, bits))
    pair = first * len(hashes if within else others) + second
    _, once = np.unique(pair[order], return_index=True)
    order = order[np.sort(once)]
    return Matches(first[order], second[order], bits[order], flipped[order])


def equal_groups(*keys):
    """For every image the first one that equals it.

    Args:
        keys: integer arrays (n,); images are equal where all of them are.

    Returns:
        int64 array (n,); the image's own number where no earlier one equals it.
    """
    table = np.stack([np.asarray(key).astype(np.int64) for key in keys], axis=1)
    _, first, group = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return first[group.reshape(-1)].astype(np.int64)


def later_copies(labels, first, matches):
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
    near = {}
    for a, b in zip(matches.first.tolist(), matches.second.tolist()):
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    kept, copies = {}, {}
    for image, (label, group) in enumerate(zip(labels.tolist(), first.tolist())):
        for other in (group, *near.get(group, ())):
            if (label, other) in kept:
                copies[image] = kept[label, other]
                break
        else:
            kept[label, group] = image
    return copies


def under_several(labels, first, matches):
    """Images that stand, themselves or in a copy, under more than one identity.

    Args:
        labels, first, matches: as in `later_copies`.

    Returns:
        Dict from the number of each of them to that of one under another identity, in order.
    """
    members = {}
    for image, group in enumerate(first.tolist()):
        members.setdefault(group, []).append(image)
    labels = labels.tolist()
    found = {}
    # Equal ones first, then near ones, nearest first: the nearest is named.
    groups = [(group, group) for group, images in members.items() if len(images) > 1]
    groups += zip(matches.first.tolist(), matches.second.tolist())
    for a, b in groups:
        for these, those in ((members[a], members[b]), (members[b], members[a])):
            # One witness of each identity is enough, two identities prove all.
            witnesses = {labels[image]: image for image in reversed(those)}
            for image in these:
                other = next((w for k, w in witnesses.items() if k != labels[image]), None)
                if other is not None:
                    found.setdefault(image, other)
    return dict(sorted(found.items()))
