"""Finding the images that cannot be used before a run starts."""

import os

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from pipelines.subset import Subset
from sparseface_tf.files import write_atomically


def check_images(source, bad_images_path, *, min_size=16, limit=0.01, progress=True):
    """Reads every image once and leaves out those that cannot be used.

    Leaving them out here, and not where they are met, keeps every batch a pure function of the
    seed and of its step.

    Args:
        source: source of faces.
        bad_images_path: file that gets a line for each bad image: its name, a tab, the reason. It
            is written even if there are too many, and empty if there are none.
        min_size: least height and width of an image in pixels.
        limit: fraction of bad images that is still skipped.
        progress: show a progress bar.

    Returns:
        The source, or a `Subset` of it without the bad images.

    Raises:
        ValueError: if more than `limit` of the images are bad; it names the first.
    """
    suspects = _unusable(source, min_size, progress)
    reasons = {i: reason for i in suspects if (reason := why_unusable(source, i, min_size))}
    lines = [f"{source.name(i)}\t{reason}\n" for i, reason in reasons.items()]
    write_atomically(bad_images_path, lambda file: file.write("".join(lines).encode("utf-8")))
    if not reasons:
        return source

    first = next(iter(reasons))
    if len(reasons) > limit * len(source):
        raise ValueError(
            f"{len(reasons)} of {len(source)} images cannot be used, the first is "
            f"{source.name(first)} ({reasons[first]}): repair or remove those in {bad_images_path}."
        )
    for i, reason in reasons.items():
        logging.warning("Skipped %s: %s", source.name(i), reason)
    logging.warning(
        "Skipped %d of %d images, see %s", len(reasons), len(source), os.fspath(bad_images_path)
    )
    return Subset(source, np.setdiff1d(np.arange(len(source)), list(reasons)))


def _unusable(source, min_size, progress):
    """Numbers of the images that raise an error or are too small, ascending."""

    def shortest_side(index):
        image, _ = source.load(index)
        return index, tf.reduce_min(tf.shape(image)[:2])

    usable = np.zeros(len(source), bool)
    images = tf.data.Dataset.range(len(source)).map(
        shortest_side, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
    )
    # An image that raises an error is known by its absence.
    batches = images.ignore_errors().batch(256).prefetch(tf.data.AUTOTUNE)
    with tqdm(
        total=len(source), desc="Checking images", unit=" images", disable=not progress
    ) as bar:
        for indices, sides in batches.as_numpy_iterator():
            usable[indices] = sides >= min_size
            bar.update(len(indices))
    return np.flatnonzero(~usable)


def why_unusable(source, index, min_size):
    """Why an image cannot be used, in one line; empty if it can."""
    try:
        image, _ = source.load(tf.constant(index, tf.int64))
    except tf.errors.OpError as error:
        # "{{function_node …}} reason [Op:DecodeImage] name:"
        reason = error.message.rpartition("}}")[2].partition("[Op:")[0]
        return " ".join(reason.split()) or "cannot be read"
    height, width = image.shape[:2]
    if min(height, width) < min_size:
        return f"too small: {width}x{height} pixels, at least {min_size}x{min_size} are needed"
    return ""
