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

import numpy as np
from numpy.typing import NDArray
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

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


def perceptual_hash(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The hash of an aligned crop and that of its mirror image.

    Args:
        crop: uint8 array (height, width), grey levels.

    Returns:
        uint8 array (2, 64): 512 bits of the crop, and of the crop mirrored.
    """
    # Training checks its images with modules of this room, but hashes none.
    import imagehash  # noqa: PLC0415

    hashes = []
    for view in (crop, crop[:, ::-1]):
        picture = Image.fromarray(np.ascontiguousarray(view))
        parts = [make(picture, HASH_SIZE).hash for make in (imagehash.phash, imagehash.dhash)]
        hashes.append(np.packbits(np.stack(parts)))
    return np.stack(hashes)


def near_pairs(
    rows: NDArray[np.uint8],
    columns: NDArray[np.uint8],
    *,
    distance: int = DISTANCE,
    upper: bool = False,
    progress: str | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
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
    left_words, right_words = (
        np.ascontiguousarray(h, np.uint8).view(np.uint64) for h in (rows, columns)
    )
    parts, total = [np.zeros((3, 0), np.int64)], 0
    tops = range(0, len(rows), BLOCK)
    for top in tqdm(tops, progress, unit=" blocks", disable=progress is None):
        for left in range(top if upper else 0, len(columns), BLOCK):
            pairs = _near_in_block(left_words[top:], right_words[left:], distance)
            pairs[:2] += [[top], [left]]
            if upper:
                pairs = pairs[:, pairs[0] < pairs[1]]
            parts.append(pairs)
            total += pairs.shape[1]
            if total > MAX_PAIRS:
                raise ValueError(
                    f"More than {MAX_PAIRS:,} pairs of images are within {distance} bits of each "
                    "other: ask for a smaller distance, or remove what is there so often."
                )
    row, column, bits = np.concatenate(parts, axis=1)
    order = np.lexsort((column, row))
    return row[order], column[order], bits[order]


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


def match(
    hashes: NDArray[np.uint8],
    mirrored: NDArray[np.uint8],
    others: NDArray[np.uint8] | None = None,
    *,
    distance: int = DISTANCE,
    progress: bool = False,
) -> Matches:
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
    right = hashes if others is None else others
    parts = []
    for number, left in enumerate((hashes, mirrored)):
        name = ("Comparing", "Comparing mirrored")[number] if progress else None
        pairs = near_pairs(left, right, distance=distance, upper=within, progress=name)
        parts.append((*pairs, np.full(len(pairs[0]), bool(number))))
    first, second, bits, flipped = (np.concatenate(part) for part in zip(*parts))
    order = np.lexsort((second, first, flipped, bits))
    pair = first * len(right) + second
    _, once = np.unique(pair[order], return_index=True)
    order = order[np.sort(once)]
    return Matches(first[order], second[order], bits[order], flipped[order])
