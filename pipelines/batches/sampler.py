"""Which images make the pairs of every training step."""

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from pipelines.batches.groups import Groups, bounds_of


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

    def __init__(
        self, labels: ArrayLike, pairs: int = 64, seed: int = 0, sampling: str = "images"
    ) -> None:
        if pairs < 2 or pairs % 2:
            raise ValueError(
                f"Half of the pairs are of the same: {pairs} is not an even number above 0."
            )
        if sampling not in ("images", "identities"):
            raise ValueError(f"sampling must be 'images' or 'identities', got {sampling!r}.")
        starts, counts = bounds_of(labels)
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

    def draw(
        self, step: int | tf.Tensor, groups: Groups | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
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
