"""Images by their identities."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray


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
    def of(cls, labels: ArrayLike) -> "Groups":
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


def bounds_of(labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First image and number of images of every identity, int64 arrays (identities,).

    Raises:
        ValueError: if the labels do not ascend.
    """
    labels = np.asarray(labels)
    if np.any(np.diff(labels) < 0):
        raise ValueError("The images of one identity must stand together, in ascending order.")
    _, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    return starts.astype(np.int64), counts.astype(np.int64)
