"""Batches of aligned faces: endless pairs to train on, and all images in order."""

import numpy as np
import tensorflow as tf

from pipelines.alignment import align
from pipelines.pairs import PairSampler


def pair_batches(
    source,
    *,
    pairs=64,
    seed=0,
    start_step=0,
    height=112,
    width=96,
    flip=True,
    sampling="images",
):
    """Endless batches of pairs of faces, half of them of the same identity.

    Every batch is a pure function of the seed and of its step: a run that starts at step k gets
    exactly what an uninterrupted one gets from there on.

    Args:
        source: source of faces, such as `FolderFaces`.
        pairs: pairs in a batch, an even number.
        seed: integer.
        start_step: number of the first batch.
        height, width: size of the aligned crops in pixels.
        flip: mirror each image with probability 0.5.
        sampling: "images" or "identities", see `PairSampler`.

    Returns:
        A `tf.data.Dataset` of images, float32 (2 * pairs, height, width, 3) from about -1 to 1,
        and labels, int32 (2 * pairs,). Rows 2i and 2i + 1 are pair i; the two are of the same
        identity where i is even, of two different ones where it is odd.

    Raises:
        ValueError: if the source has no such pairs.
    """
    sampler = PairSampler(source.labels, pairs=pairs, seed=seed, sampling=sampling)
    with tf.device("CPU"):
        labels = tf.constant(source.labels)

    def load(index, mirrored):
        crop = _crop(source, index, height, width)
        if flip:
            crop = tf.where(mirrored, tf.reverse(crop, [1]), crop)
        return crop, tf.gather(labels, index)

    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    images = steps.map(sampler.draw).unbatch().map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return _ordered(images.batch(2 * pairs, drop_remainder=True))


def image_batches(source, indices=None, *, batch=128, height=112, width=96, flipped=False):
    """Aligned faces in order, once, for embedding or for statistics.

    Args:
        source: source of faces.
        indices: integer array (n,), which images; default: all of them.
        batch: images in a batch; the last batch has what is left.
        height, width: size of the aligned crops in pixels.
        flipped: mirror all of them.

    Returns:
        A `tf.data.Dataset` of images, float32 (batch, height, width, 3) from about -1 to 1.
    """
    indices = np.arange(len(source)) if indices is None else np.asarray(indices)

    def load(index):
        crop = _crop(source, index, height, width)
        return tf.reverse(crop, [1]) if flipped else crop

    images = tf.data.Dataset.from_tensor_slices(indices.astype(np.int64))
    return _ordered(images.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch))


def _crop(source, index, height, width):
    """One aligned face, float32 (height, width, 3) from about -1 to 1."""
    image, landmarks = source.load(index)
    return (align(image, landmarks, height, width) - 127.5) / 128.0


def _ordered(dataset):
    options = tf.data.Options()
    options.deterministic = True
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
