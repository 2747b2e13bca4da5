"""Batches of aligned faces: endless pairs to train on, and all images in order."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from pipelines.batches.groups import Groups
from pipelines.batches.sampler import PairSampler
from pipelines.batches.windows import windows_of
from pipelines.faces.augmentation import Augmentation
from pipelines.faces.cropping import crop_region, crop_regions
from pipelines.faces.regions import WHOLE_FACE, Region
from pipelines.faces.source import Faces
from pipelines.records.reading import decode

# Batches that are made at a time.
AHEAD = 4
FOREVER = np.iinfo(np.int64).max


def pair_batches(
    source: Faces,
    *,
    pairs: int = 64,
    seed: int = 0,
    start_step: int = 0,
    region: Region = WHOLE_FACE,
    augmentation: Augmentation = Augmentation(),
    sampling: str = "images",
    worker: int = 0,
    workers: int = 1,
    ordered: bool = True,
) -> tf.data.Dataset:
    """Endless batches of pairs of faces, half of them of the same identity.

    Every batch is a pure function of the seed and of its step: a run that starts at step k gets
    exactly what an uninterrupted one gets from there on, and several workers together get
    exactly what one would.

    Args:
        source: source of faces, such as `FolderFaces`.
        pairs: pairs in a batch of all workers, an even number.
        seed: integer.
        start_step: number of the first batch.
        region: the `Region` of the face to cut out.
        augmentation: an `Augmentation`.
        sampling: "images" or "identities", see `PairSampler`.
        worker, workers: this one's number, from 0, and how many share each batch.
        ordered: False lets batches that are ready overtake slow ones, so their order is not the
            same on every run.

    Returns:
        A `tf.data.Dataset` of images, float32 (2 * pairs / workers, region.height, region.width,
        region.channels) from about -1 to 1, and labels, int32 (2 * pairs / workers,). Rows 2i and
        2i + 1 are pair i; the two are of the same identity where i is even, of two different ones
        where it is odd.

    Raises:
        ValueError: if the source has no such pairs, or they cannot be shared out.
    """
    if not 0 <= worker < workers:
        raise ValueError(f"worker must be from 0 to {workers - 1}, got {worker}.")
    if pairs % (2 * workers):
        raise ValueError(
            f"{pairs} pairs, half of them the same, cannot be shared by {workers} workers: "
            f"take a multiple of {2 * workers}."
        )
    sampler = PairSampler(source.labels, pairs=pairs, seed=seed, sampling=sampling)
    share = 2 * pairs // workers
    with tf.device("CPU"):
        all_labels = tf.constant(source.labels)

    def draw(step, groups):
        images, mirrored = sampler.draw(step, groups)
        examples = 2 * pairs * step + tf.range(2 * pairs, dtype=tf.int64)
        own = slice(worker * share, (worker + 1) * share)
        return images[own], mirrored[own], examples[own]

    def batches(steps, read, labels, groups):
        """Those of some steps; `read` gives an image and its landmarks."""

        def load(index, mirrored, example):
            image, landmarks = read(index)
            crop = training_crop(
                image, landmarks, region, augmentation, mirrored=mirrored, seed=seed, example=example
            )
            return _normalised(crop), tf.gather(labels, index)

        return _interleaved(steps, lambda step: draw(step, groups), load, share, ordered)

    windows = windows_of(source, pairs, seed)
    if windows is None:
        steps = tf.data.Dataset.range(start_step, FOREVER)
        return _prefetched(batches(steps, source.load, all_labels, None), ordered)

    def of_window(window, members, examples):
        first = tf.maximum(window * windows.steps, start_step)
        steps = tf.data.Dataset.range(first, (window + 1) * windows.steps)
        labels = tf.gather(all_labels, members)
        return batches(steps, lambda i: decode(tf.gather(examples, i)), labels, Groups.of(labels))

    numbers = tf.data.Dataset.range(start_step // windows.steps, FOREVER // windows.steps)
    read = numbers.map(lambda window: (window, *windows.read(window))).prefetch(1)
    return _prefetched(read.flat_map(of_window), ordered)


def check_pairs(source: Faces, pairs: int, seed: int, sampling: str) -> None:
    """Makes sure that `pair_batches` of one worker finds its pairs; quick, as no graph is made.

    Args:
        source, pairs, seed, sampling: see `pair_batches`.

    Raises:
        ValueError: if the source has no such pairs.
    """
    PairSampler(source.labels, pairs=pairs, seed=seed, sampling=sampling)
    windows_of(source, pairs, seed)


def _interleaved(steps, draw, load, size, ordered):
    """A batch of each step, several of them made at a time.

    Args:
        steps: dataset of int64 scalars.
        draw: function from a step to tensors (size, …), the arguments of `load` for its images.
        load: function that makes an image and what belongs to it.
        size: images in a batch.
        ordered: False lets batches that are ready overtake slow ones.
    """

    def batch(step):
        images = tf.data.Dataset.from_tensor_slices(draw(step))
        images = images.map(load, num_parallel_calls=tf.data.AUTOTUNE)
        # Without a remainder the size of a batch is stated: training steps are faster.
        return images.batch(size, drop_remainder=True)

    # Batches are whole ones also where one overtakes another.
    return steps.interleave(batch, AHEAD, num_parallel_calls=AHEAD, deterministic=ordered)


def training_crop(
    image: tf.Tensor,
    landmarks: tf.Tensor,
    region: Region,
    augmentation: Augmentation,
    *,
    mirrored: bool | tf.Tensor,
    seed: int,
    example: int | tf.Tensor,
) -> tf.Tensor:
    """Cuts a region out of an image and changes it at random.

    Args:
        image, landmarks, region: see `crop_region`.
        augmentation: an `Augmentation`.
        mirrored: boolean scalar tensor; whether to mirror it, if the augmentation does.
        seed, example: integers, what the changes are a function of.

    Returns:
        float32 tensor (region.height, region.width, region.channels) in [0, 255].
    """
    mirrored = mirrored if augmentation.flip else False
    if not augmentation.changes:
        return crop_region(image, landmarks, region, mirrored=mirrored)
    draws = augmentation.draw(seed, example)
    landmarks, motion = augmentation.jittered(landmarks, draws), augmentation.motion(draws)
    crop = crop_region(image, landmarks, region, mirrored=mirrored, motion=motion)
    return augmentation.finish(crop, draws)


def served(batches: tf.data.Dataset, address: str) -> tf.data.Dataset:
    """The same batches, made by the workers of a tf.data service.

    Args:
        batches: dataset that `pair_batches` made with ordered=False; every worker of the service
            must reach the images under the same paths.
        address: of the service's dispatcher, such as "grpc://host:5000"; empty for none, which
            gives the dataset back.

    Returns:
        A dataset of those batches, each once, in any order.
    """
    if not address:
        return batches
    # Steps are handed out to the workers as they ask for more.
    policy = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    return batches.apply(tf.data.experimental.service.distribute(policy, address))


def image_batches(
    source: Faces,
    indices: ArrayLike | None = None,
    *,
    batch: int = 128,
    region: Region = WHOLE_FACE,
    mirrored: bool = False,
) -> tf.data.Dataset:
    """Aligned faces in order, once, for embedding or for statistics.

    Args:
        source: source of faces.
        indices: integer array (n,), which images; default: all of them.
        batch: images in a batch; the last batch has what is left.
        region: the `Region` of the face to cut out.
        mirrored: give the region of the mirrored faces.

    Returns:
        A `tf.data.Dataset` of images, float32 (batch, region.height, region.width,
        region.channels) from about -1 to 1.
    """
    indices = np.arange(len(source)) if indices is None else np.asarray(indices)

    def load(index):
        return network_input(*source.load(index), region, mirrored=mirrored)

    images = tf.data.Dataset.from_tensor_slices(indices.astype(np.int64))
    return _prefetched(images.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch), True)


def region_batches(
    source: Faces,
    regions: Sequence[Region],
    indices: ArrayLike | None = None,
    *,
    batch: int = 32,
    mirrored: bool = False,
) -> tf.data.Dataset:
    """Several regions of each face, in order, once: each image is read and aligned once.

    Args:
        source, indices, batch, mirrored: see `image_batches`.
        regions: list of `Region`.

    Returns:
        A `tf.data.Dataset` of tuples of images like those of `image_batches`, one for each region.
    """
    indices = np.arange(len(source)) if indices is None else np.asarray(indices)

    def load(index):
        image, landmarks = source.load(index)
        return tuple(
            crop_regions(image, landmarks, regions, mirrored=mirrored, change=_normalised)
        )

    images = tf.data.Dataset.from_tensor_slices(indices.astype(np.int64))
    return _prefetched(images.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch), True)


def network_input(
    image: tf.Tensor, landmarks: tf.Tensor, region: Region, *, mirrored: bool | tf.Tensor = False
) -> tf.Tensor:
    """What a network sees of a face.

    Args:
        image, landmarks, region, mirrored: see `crop_region`.

    Returns:
        float32 tensor (region.height, region.width, region.channels) from about -1 to 1.
    """
    return _normalised(crop_region(image, landmarks, region, mirrored=mirrored))


def _normalised(pixels):
    """[0, 255] to about [-1, 1]."""
    return (pixels - 127.5) / 128.0


def _prefetched(dataset, ordered):
    options = tf.data.Options()
    options.deterministic = ordered
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
