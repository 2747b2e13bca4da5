"""Several sources of faces as one."""

import functools
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from pipelines.faces.source import Faces


class JoinedFaces:
    """Several sources of faces, one behind the other.

    Identities are kept apart, also those that have the same name in two sources: a folder's names
    are unique in that folder only ("0001" of one collection is not "0001" of another), and merging
    two people teaches more that is wrong than parting one. What makes names unique is put before
    them: identity ID of the source SET is SET/ID. A person who is in two sets under the same
    photographs is found by `check_images`.

    Args:
        sources: dict from a name to a source of faces.

    Attributes:
        identities: names of all identities, SET/ID.
        labels: int32 array (n,), identity of every image, ascending.
    """

    def __init__(self, sources: Mapping[str, Faces]) -> None:
        self._sets = list(sources)
        self._sources = list(sources.values())
        self.identities = [f"{name}/{one}" for name, s in sources.items() for one in s.identities]
        people = np.cumsum([0, *(len(s.identities) for s in self._sources)])
        self.labels = np.concatenate(
            [s.labels + first for s, first in zip(self._sources, people)]
        ).astype(np.int32)
        # The first image of every source, and the end.
        self._starts = np.cumsum([0, *map(len, self._sources)])

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """Name of image i, "SET/ID/IMAGE"."""
        number = np.searchsorted(self._starts, int(i), side="right") - 1
        return f"{self._sets[number]}/{self._sources[number].name(int(i) - self._starts[number])}"

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The file of image number `index`, a string tensor."""
        return self._of_its_source("content", index)

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Image uint8 (h, w, 3) and landmarks float32 (5, 2) of image number `index`."""
        return self._of_its_source("load", index)

    def _of_its_source(self, method, index):
        index = tf.cast(index, tf.int64)
        with tf.device("CPU"):
            starts = tf.constant(self._starts)
        number = tf.searchsorted(starts, index[None], side="right", out_type=tf.int32)[0] - 1
        within = index - tf.gather(starts, number)
        readers = [getattr(source, method) for source in self._sources]
        return tf.switch_case(number, [functools.partial(read, within) for read in readers])
