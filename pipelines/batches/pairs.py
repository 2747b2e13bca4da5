"""Which images make pairs: those of every training step, and those of a verification test."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Groups(NamedTuple):
    """Images by their identities, as int64 tensors.

    Attributes:
        labels: (n,), identity of every image, counted from 0 without gaps.
        starts, counts: (identities,), first image and number of images of every identity.
        paired_identities, paired_images: those that have a partner of the same identity.
    """

    labels: tf.Tensor
    starts: tf.Tensor
    counts: tf.Tensor
    paired_identities: tf.Tensor
    paired_images: tf.Tensor

    @classmethod
    def of(cls, labels):
        """Groups of ascending integer labels (n,); runs in a tf.data graph as well."""
        _, labels, counts = tf.unique_with_counts(tf.cast(labels, tf.int64), tf.int64)
        paired = counts >= 2
        return cls(
            labels,
            tf.cumsum(counts, exclusive=True),
            counts,
            tf.where(paired)[:, 0],
            tf.where(tf.gather(paired, labels))[:, 0],
        )


class PairSampler:
    """Draws the pairs of each training step, half of them of the same identity.

    Args:
        labels: integer array (n,), identity of every image, those of one identity contiguous.
        pairs: pairs in a step, an even number.
        seed: integer; together with the step it decides everything.
        sampling: how the images are drawn.
            "images": the first image of each pair goes through all images (of the pairs of the
            same identity: through all that have a partner) in an order shuffled anew each time,
            so that images are used about equally often; the second is any other image of that
            identity, or any image of any other identity.
            "identities": identities are drawn with equal probability, then an image of each.

    Raises:
        ValueError: if no such pairs can be made.
    """

    def __init__(self, labels, pairs=64, seed=0, sampling="images"):
        if pairs < 2 or pairs % 2:
            raise ValueError(
                f"Half of the pairs are of the same: {pairs} is not an even number above 0."
            )
        if sampling not in ("images", "identities"):
            raise ValueError(f"sampling must be 'images' or 'identities', got {sampling!r}.")
        starts, counts = _groups(labels)
        if len(starts) < 2:
            raise ValueError(
                "The training images are of one identity only: pairs of different identities "
                "need two or more."
            )
        if counts.max() < 2:
            raise ValueError(
                "No identity has two images, so there is no pair of the same: give some "
                "identities two images or more."
            )
        self._half = pairs // 2
        self._seed = seed
        self._sampling = sampling
        with tf.device("CPU"):
            self._groups = Groups.of(labels)

    def draw(self, step, groups=None):
        """The pairs of a step; runs in a tf.data graph as well.

        Args:
            step: scalar int64 tensor.
            groups: `Groups` of the images to draw from; default: all of them.

        Returns:
            images: int64 tensor (2 * pairs,); rows 2i and 2i + 1 are pair i, of the same identity
                where i is even, of two different ones where it is odd.
            mirrored: bool tensor (2 * pairs,), each true with probability 0.5.
        """
        seed = tf.cast(self._seed, tf.int64)
        step = tf.cast(step, tf.int64)
        # float64: fair choices among more images than float32 can tell apart.
        chance = tf.random.stateless_uniform(
            [11, self._half], tf.stack([seed, step]), dtype=tf.float64, alg="philox"
        )

        labels, starts, counts, paired_identities, paired_images = groups or self._groups
        if self._sampling == "images":
            same = tf.gather(paired_images, self._walk(step, paired_images, stream=0))
            different = self._walk(step, labels, stream=1)
        else:
            chosen = _below(chance[0], tf.size(paired_identities, tf.int64))
            identity = tf.gather(paired_identities, chosen)
            same = _image_of(identity, starts, counts, chance[1])
            identity = _below(chance[2], tf.size(starts, tf.int64))
            different = _image_of(identity, starts, counts, chance[3])

        # Counted on from the first image around its identity's, so never the first image itself.
        identity = tf.gather(labels, same)
        start, count = tf.gather(starts, identity), tf.gather(counts, identity)
        partner = start + (same - start + 1 + _below(chance[4], count - 1)) % count

        # Likewise counted on from the first image's identity around all the other ones.
        identity = tf.gather(labels, different)
        if self._sampling == "images":
            start, count = tf.gather(starts, identity), tf.gather(counts, identity)
            total = tf.size(labels, tf.int64)
            stranger = (start + count + _below(chance[5], total - count)) % total
        else:
            total = tf.size(starts, tf.int64)
            identity = (identity + 1 + _below(chance[5], total - 1)) % total
            stranger = _image_of(identity, starts, counts, chance[6])

        pairs = tf.stack([tf.stack([same, partner], 1), tf.stack([different, stranger], 1)], 1)
        return tf.reshape(pairs, [-1]), tf.reshape(chance[7:] < 0.5, [-1])

    def _walk(self, step, images, stream):
        """The next positions in an endless series of shuffles of all images."""
        total = tf.size(images, tf.int64)
        position = step * self._half + tf.range(self._half, dtype=tf.int64)
        shuffle = position // total
        fixed = tf.fill([self._half], tf.cast(self._seed, tf.int64))
        return tf.raw_ops.RandomIndexShuffle(
            index=position % total,
            seed=tf.stack([fixed, shuffle, tf.fill([self._half], np.int64(stream))], 1),
            max_index=total - 1,
            rounds=4,
        )


def _image_of(identity, starts, counts, chance):
    """An image of each identity."""
    return tf.gather(starts, identity) + _below(chance, tf.gather(counts, identity))


def _below(chance, count):
    """An integer from 0 to count - 1 for each uniform number of [0, 1)."""
    return tf.cast(chance * tf.cast(count, tf.float64), tf.int64)


def _groups(labels):
    """First image and number of images of every identity, as int64 arrays."""
    labels = np.asarray(labels)
    if np.any(np.diff(labels) < 0):
        raise ValueError("The images of one identity must stand together, in ascending order.")
    _, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    return starts.astype(np.int64), counts.astype(np.int64)


class Pairs(NamedTuple):
    """Pairs of images for verification.

    Attributes:
        images: int64 array (n, 2), numbers of the images in their source.
        same: bool array (n,), whether the two are of the same identity.
        fold: int64 array (n,), the part of the test that a pair belongs to.
    """

    images: np.ndarray
    same: np.ndarray
    fold: np.ndarray


def held_out_pairs(source, n, *, folds=10, seed=0):
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
        ValueError: if there are no such pairs, or fewer of a kind than folds.
    """
    half = n // (2 * folds)
    if half < 1:
        raise ValueError(f"{folds} folds of pairs need at least {2 * folds} pairs, got {n}.")
    starts, counts = _groups(source.labels)
    possible = counts * (counts - 1) // 2
    if len(starts) < 2 or possible.sum() < folds:
        raise ValueError(
            f"{len(starts)} held-out identities with {possible.sum()} pairs of the same are too "
            f"few for {folds} folds of pairs: hold out more, or give more images an identity."
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
