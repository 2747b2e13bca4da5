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

    Folds share no identity, as in LFW, as long as each can have pairs of both kinds; with too few
    identities for that, all folds draw from all of them. Every pair is drawn once only. Pairs of
    the same are spread over the identities, whatever their number of images.

    Args:
        source: source of faces, such as the held-out `Subset`.
        n: number of pairs. Where a fold has fewer different ones to draw from, it is smaller, its
            halves still equal.
        folds: number of folds.
        seed: integer.

    Returns:
        `Pairs`, fold by fold, those of the same first.

    Raises:
        ValueError: if fewer pairs are asked for, or can be drawn of either kind, than the folds
            need.
    """
    half = n // (2 * folds)
    if half < 1:
        raise ValueError(f"{folds} folds of pairs need at least {2 * folds} pairs, got {n}.")
    starts, counts = bounds_of(source.labels)
    possible = counts * (counts - 1) // 2
    different = counts.sum() * (counts.sum() - 1) // 2 - possible.sum()
    if min(possible.sum(), different) < folds:
        raise ValueError(
            f"{len(starts)} held-out identities with {possible.sum()} pairs of the same and "
            f"{different} different ones are too few for {folds} folds of pairs: hold out more, or "
            "give more images an identity."
        )

    generator = np.random.default_rng([seed, 1])
    # Identities with several images are dealt to the folds first, then the others.
    order = generator.permutation(len(starts))
    order = order[np.argsort(counts[order] < 2, kind="stable")]
    members = [np.sort(order[fold::folds]) for fold in range(folds)]
    if all(len(m) > 1 and possible[m].any() for m in members):
        drawn = [_fold_pairs(generator, starts[m], counts[m], half) for m in members]
    else:
        same, different = _fold_pairs(generator, starts, counts, half * folds)
        drawn = [(same[fold::folds], different[fold::folds]) for fold in range(folds)]

    images, same, fold = [], [], []
    for number, (equal, unequal) in enumerate(drawn):
        kept = min(len(equal), len(unequal))
        images += [equal[:kept], unequal[:kept]]
        same += [np.ones(kept, bool), np.zeros(kept, bool)]
        fold.append(np.full(2 * kept, number, np.int64))
    return Pairs(np.concatenate(images), np.concatenate(same), np.concatenate(fold))


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
    """Up to `wanted` pairs of each kind, int64 (n, 2), from the identities given."""
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

    total = counts.sum()
    same = int((counts * (counts - 1) // 2).sum())
    different = int(total * (total - 1) // 2) - same
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
