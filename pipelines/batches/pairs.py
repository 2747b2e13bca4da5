"""Pairs of images for a verification test, in folds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.batches.groups import bounds_of
from pipelines.faces.source import Faces


class Pairs(NamedTuple):
    """Pairs of images for verification.

    Attributes:
        images: int64 array (n, 2), numbers of the images in their source.
        same: bool array (n,), whether the two are of the same identity.
        fold: int64 array (n,), the part of the test that a pair belongs to.
    """

    images: NDArray[np.int64]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]


def held_out_pairs(source: Faces, n: int, *, folds: int = 10, seed: int = 0) -> Pairs:
    """Draws pairs for verification, in every fold half of them the same and half different.

    Folds share no identity, as in LFW, as long as each can have its pairs of both kinds; with too
    few identities for that, all folds draw from all of them. Every pair is drawn once only. Pairs
    of the same are spread over the identities, whatever their number of images.

    Args:
        source: source of faces, such as the held-out `Subset`.
        n: number of pairs, even. Where it is no multiple of `2 * folds`, the first folds have a pair
            of each kind more than the last ones.
        folds: number of folds.
        seed: integer.

    Returns:
        `Pairs`, n of them, fold by fold, those of the same first.

    Raises:
        ValueError: if fewer pairs are asked for than the folds need, an odd number, or more than
            there are of either kind.
    """
    if n < 2 * folds or n % 2:
        raise ValueError(
            f"{n} pairs, half of them the same, cannot be dealt to {folds} folds: ask for an even "
            f"number of at least {2 * folds}."
        )
    starts, counts = bounds_of(source.labels)
    same, different = _numbers(counts)
    if min(same, different) < n // 2:
        most = 2 * min(same, different)
        fewer = f"ask for {most} at most, or " * (most >= 2 * folds)
        raise ValueError(
            f"{n} pairs are too many: {len(starts)} identities have {same} pairs of the same and "
            f"{different} different ones: {fewer}take more identities, or more images of each."
        )

    generator = np.random.default_rng([seed, 1])
    # Identities with several images are dealt to the folds first, then the others.
    order = generator.permutation(len(starts))
    order = order[np.argsort(counts[order] < 2, kind="stable")]
    members = [np.sort(order[fold::folds]) for fold in range(folds)]
    shares = [n // 2 // folds + (fold < n // 2 % folds) for fold in range(folds)]
    if all(min(_numbers(counts[m])) >= share for m, share in zip(members, shares)):
        drawn = [
            _fold_pairs(generator, starts[m], counts[m], share) for m, share in zip(members, shares)
        ]
    else:
        equal, unequal = _fold_pairs(generator, starts, counts, n // 2)
        drawn = [(equal[fold::folds], unequal[fold::folds]) for fold in range(folds)]
    return Pairs(
        np.concatenate([pairs for kinds in drawn for pairs in kinds]),
        np.concatenate([np.repeat([True, False], share) for share in shares]),
        np.repeat(np.arange(folds), 2 * np.array(shares)),
    )


def _numbers(counts):
    """Pairs of the same and different ones that identities with so many images have."""
    same = int((counts * (counts - 1) // 2).sum())
    total = int(counts.sum())
    return same, total * (total - 1) // 2 - same


def deal_folds(same: ArrayLike, folds: int = 10) -> NDArray[np.int64]:
    """Deals the pairs of a list without folds, those of each kind one after the other.

    Args:
        same: bool array (n,), whether the two of each pair are of the same identity.
        folds: number of folds.

    Returns:
        int64 array (n,), the fold of every pair, from 0; each has pairs of both kinds.

    Raises:
        ValueError: if there are fewer pairs of a kind than folds.
    """
    same = np.asarray(same, bool)
    if min(same.sum(), (~same).sum()) < folds:
        raise ValueError(
            f"{same.sum()} pairs of the same and {(~same).sum()} different ones are too few for "
            f"{folds} folds: list at least {folds} of each."
        )
    fold = np.zeros(len(same), np.int64)
    for kind in (same, ~same):
        fold[kind] = np.arange(kind.sum()) % folds
    return fold


def _fold_pairs(generator, starts, counts, wanted):
    """`wanted` pairs of each kind, int64 (n, 2), from the identities given, who have as many."""
    paired = np.flatnonzero(counts >= 2)

    def draw_same(size):
        identity = generator.choice(paired, size)
        first = generator.integers(counts[identity])
        second = (first + 1 + generator.integers(counts[identity] - 1)) % counts[identity]
        return starts[identity] + first, starts[identity] + second

    def draw_different(size):
        a = generator.integers(len(starts), size=size)
        b = (a + 1 + generator.integers(len(starts) - 1, size=size)) % len(starts)
        first, second = generator.integers(counts[a]), generator.integers(counts[b])
        return starts[a] + first, starts[b] + second

    def all_same():
        for start, count in zip(starts, counts):
            first, second = np.triu_indices(count, 1)
            yield np.stack([start + first, start + second], 1)

    def all_different():
        images = [np.arange(start, start + count) for start, count in zip(starts, counts)]
        for i, own in enumerate(images):
            others = np.concatenate([np.zeros(0, np.int64), *images[i + 1 :]])
            yield np.stack(np.meshgrid(own, others, indexing="ij"), -1).reshape(-1, 2)

    same, different = _numbers(counts)
    return (
        _unique_pairs(generator, draw_same, all_same, same, wanted),
        _unique_pairs(generator, draw_different, all_different, different, wanted),
    )


def _unique_pairs(generator, draw, enumerate_all, available, wanted):
    if available <= 2 * wanted:
        pairs = np.concatenate(list(enumerate_all()))
        return pairs[generator.permutation(len(pairs))[:wanted]]
    pairs = np.zeros((0, 2), np.int64)
    while len(pairs) < wanted:
        new = np.sort(np.stack(draw(2 * wanted), 1), axis=1)
        pairs = np.concatenate([pairs, new])
        _, first = np.unique(pairs, axis=0, return_index=True)
        pairs = pairs[np.sort(first)]
    return pairs[:wanted]
