"""Reading records in windows of a few shards, so that pairs need no random access to all of them."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.faces.source import Faces
from pipelines.records.reading import RecordFaces
from pipelines.sources.subset import Subset

# Most bytes of records in a window, unless one shard has more. Two windows are in memory, the one
# that is drawn from and the next, and a third while it is put in order.
WINDOW_BYTES = 1 << 28


class Windows:
    """The endless sequence of windows that training reads.

    Every epoch shuffles the shards and puts the next few together to a window; which ones is a
    pure function of the seed and of the window's number.

    Args:
        records: `RecordFaces`.
        chosen: int64 array (n,), ascending, the images to train on.
        pairs: pairs in a mini-batch.
        seed: integer.
        window_bytes: most bytes in a window, unless one shard has more. A window that does not
            hold the whole set lacks identities, and what a softmax learns from it is in part who
            is in the window: the more is in it the better.

    Attributes:
        steps: mini-batches drawn from each window, so many that those of an epoch have as many
            images as there are.

    Raises:
        ValueError: if some window could have no pair.
    """

    def __init__(
        self,
        records: RecordFaces,
        chosen: NDArray[np.int64],
        pairs: int,
        seed: int,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._records, self._total = records, len(records.shards)
        total = self._total
        largest = max(shard["bytes"] for shard in records.shards)
        self._together = min(max(1, window_bytes // largest), total)
        self._in_epoch = -(-total // self._together)
        self.steps = max(1, round(len(chosen) / (self._in_epoch * 2 * pairs)))
        self._seed = seed
        by_shard = np.lexsort((records.row[chosen], records.shard[chosen]))
        counts = np.bincount(records.shard[chosen], minlength=total)
        self._check(records, chosen)
        with tf.device("CPU"):
            self._chosen = tf.constant(chosen, tf.int64)
            splits = np.concatenate([[0], np.cumsum(counts)])
            self._members = tf.RaggedTensor.from_row_splits(by_shard.astype(np.int64), splits)

    def _check(self, records, chosen):
        alone = []
        for shard in range(len(records.shards)):
            labels = records.labels[chosen[records.shard[chosen] == shard]]
            counts = np.unique(labels, return_counts=True)[1]
            if len(counts) < 2 or counts.max() < 2:
                alone.append(records.shards[shard]["file"])
        # Fewer than a window holds are always read with one that has both.
        if len(alone) >= self._together:
            raise ValueError(
                f"{len(alone)} shards hold no pair of the same or none of different identities, the "
                f"first is {alone[0]}: write the records again with more images in a shard."
            )

    def read(self, window: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads a window, its shards one after the other; runs in a tf.data graph.

        Args:
            window: int64 scalar tensor, its number.

        Returns:
            members: int64 (m,), ascending positions in `chosen` of the images in the window.
            examples: string (m,), their records.

        Raises:
            tf.errors.OpError: if a record is damaged; its message names the shard.
        """
        position = window % self._in_epoch * self._together + tf.range(
            self._together, dtype=tf.int64
        )
        key = tf.stack([tf.constant(self._seed, tf.int64), window // self._in_epoch, 0])
        shards = tf.raw_ops.RandomIndexShuffle(
            index=position % self._total,
            seed=tf.tile(key[None], (self._together, 1)),
            max_index=tf.constant(self._total - 1, tf.int64),
            rounds=4,
        )
        members = tf.gather(self._members, shards).flat_values

        def of_shard(shard):
            return self._records.examples(shard, tf.gather(self._chosen, self._members[shard]))

        # Their number is known, and so they are one element.
        read = tf.data.Dataset.from_tensor_slices(shards).flat_map(of_shard)
        examples = read.batch(tf.size(members, tf.int64)).get_single_element()
        order = tf.argsort(members)
        return tf.gather(members, order), tf.gather(examples, order)


def windows_of(source: Faces, pairs: int, seed: int) -> Windows | None:
    """The windows of a source that is best read in order; None if it can be read anywhere.

    Args:
        source: source of faces.
        pairs, seed: see `Windows`.
    """
    chosen = np.arange(len(source))
    while isinstance(source, Subset):
        chosen = source.indices[chosen]
        source = source.source
    return Windows(source, chosen, pairs, seed) if isinstance(source, RecordFaces) else None
