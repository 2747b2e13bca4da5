"""Parts of a source of faces, and the part held out of training."""

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from pipelines.faces.source import Faces


class Subset:
    """Some images of a source, as a source of its own.

    Args:
        source: source of faces, such as `FolderFaces`.
        indices: integer array, the images to keep; their order does not matter.

    Attributes:
        identities: names of the identities that keep an image, in the source's order.
        labels: int32 array (n,), identity of every image, numbered from 0 in this subset.
        indices: int64 array (n,), the images' numbers in the source, ascending.
        source: that source.
    """

    def __init__(self, source: Faces, indices: ArrayLike) -> None:
        self.indices = np.unique(np.asarray(indices, np.int64))
        kept, labels = np.unique(source.labels[self.indices], return_inverse=True)
        self.identities = [source.identities[label] for label in kept]
        self.labels = labels.astype(np.int32)
        self.source = source
        with tf.device("CPU"):
            self._indices = tf.constant(self.indices)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """Name of image i, "IDENTITY/IMAGE"."""
        return self.source.name(self.indices[int(i)])

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The file of image number `index`, a string tensor."""
        return self.source.content(tf.gather(self._indices, index))

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Image uint8 (h, w, 3) and landmarks float32 (5, 2) of image number `index`."""
        return self.source.load(tf.gather(self._indices, index))


def cap_images(source: Faces, most: int, seed: int) -> Faces:
    """Leaves out images of the identities that have very many.

    Args:
        source: source of faces.
        most: images of an identity to keep at most; 0 keeps all.
        seed: integer; decides which are kept.

    Returns:
        The source, or a `Subset` of it.
    """
    if not most or np.bincount(source.labels).max() <= most:
        return source
    return Subset(source, capped(source.labels, most, seed))


def capped(labels: NDArray[np.integer], most: int, seed: int) -> NDArray[np.int64]:
    """Which images `cap_images` keeps: rows, ascending, of an array of labels from 0."""
    # In an order shuffled once, the first ones of each identity.
    order = np.random.default_rng([seed, 2]).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts = np.unique(labels[order], return_index=True)
    rank = np.arange(len(order)) - starts[labels[order]]
    return np.sort(order[rank < most])


def split_identities(source: Faces, held_out: float, seed: int) -> tuple[Subset, Subset]:
    """Holds some identities out of training, all images of each.

    Args:
        source: source of faces.
        held_out: fraction of the identities to hold out if below 1, else their number.
        seed: integer; the same seed holds out the same identities of the same source.

    Returns:
        training: `Subset` of the source to train on.
        held_out: `Subset` of the source for everything that is chosen or measured.

    Raises:
        ValueError: if either part would have fewer than two identities.
    """
    total = len(source.identities)
    if total < 2:
        raise ValueError(
            f"The data set has one identity only ({source.identities[0]}): pairs of different "
            "identities and a held-out part need at least four."
        )
    if held_out < 1:
        count = max(2, round(total * held_out))
    elif held_out == int(held_out):
        count = int(held_out)
    else:
        raise ValueError(
            f"held_out must be a fraction below 1 or a whole number of identities, got {held_out}."
        )
    if held_out <= 0 or count < 2 or total - count < 2:
        raise ValueError(
            f"Holding out {held_out:g} of {total} identities leaves fewer than two on one side: "
            "change held_out, or give more identities."
        )
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng([seed, 0]).permutation(total)[:count]] = True
    held = chosen[source.labels]
    return Subset(source, np.flatnonzero(~held)), Subset(source, np.flatnonzero(held))


def split_images(
    source: Faces, share: float, seed: int
) -> tuple[Subset, Subset, NDArray[np.int32]]:
    """Holds some images of every identity out of training, to classify them afterwards.

    Args:
        source: source of faces.
        share: of each identity's images, in (0, 1), rounded down; two stay at least.
        seed: integer; the same seed holds out the same images of the same source.

    Returns:
        training: `Subset` of the source with all of its identities.
        held_out: `Subset` of the source.
        labels: int32 array, the identities of the held-out images as `training` numbers them.

    Raises:
        ValueError: if the share is out of range, or no identity has images enough.
    """
    if not 0 < share < 1:
        raise ValueError(f"The share of images held out must be in (0, 1), got {share:g}.")
    order = np.random.default_rng([seed, 3]).permutation(len(source))
    order = order[np.argsort(source.labels[order], kind="stable")]
    labels = source.labels[order]
    _, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    taken = np.clip(np.floor(share * counts + 1e-9).astype(int), 0, np.maximum(counts - 2, 0))
    number = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
    held = np.arange(len(order)) - starts[number] < taken[number]
    if not held.any():
        raise ValueError(
            f"No identity has so many images that {share:g} of them and two others are some: give "
            "a larger share, or more images an identity."
        )
    # Every identity keeps an image, so both sources number them alike.
    held_out = Subset(source, order[held])
    return Subset(source, order[~held]), held_out, source.labels[held_out.indices].astype(np.int32)
