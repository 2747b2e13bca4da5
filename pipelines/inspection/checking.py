"""Finding the images that must not be used, before a run starts."""

import os

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from pipelines.faces.reasons import reason_of
from pipelines.faces.source import Faces
from pipelines.files import write_text
from pipelines.inspection.copies import equal_copies
from pipelines.inspection.exclusion import without
from pipelines.sources.subset import Subset

# How far outside its image a landmark may lie, of the image's width or height: that of a cropped
# face lies outside a little, one of a wrong row or of another image size far.
OUTSIDE = 0.5


def check_images(
    source: Faces,
    bad_images_path: str | os.PathLike,
    *,
    exclude: str | os.PathLike = "",
    copies: bool = False,
    min_size: int = 16,
    limit: float = 0.01,
    progress: bool = True,
) -> Faces:
    """Reads every image once and leaves out those that must not be used.

    These are images that cannot be decoded or are too small, those with a landmark far outside,
    and copies: of a photograph (pixels that are all equal) that is there more than once, only the
    first stays if all are of one identity; none if they are of several, as nobody knows whose it
    is. So no photograph makes a pair with itself.

    Leaving them out here, and not where they are met, keeps every batch a pure function of the
    seed and of its step.

    Args:
        source: source of faces.
        bad_images_path: file that gets a line for each image left out: its name, a tab, the
            reason. It is written even if there are too many, and empty if there are none.
        exclude: file with the name of an image to leave out in every line, what stands behind a
            tab ignored; these are not read, and not among the bad images. Empty: none.
        copies: leave copies in.
        min_size: least height and width of an image in pixels.
        limit: fraction of bad images that is still skipped; copies do not count.
        progress: show a progress bar.

    Returns:
        The source, or a `Subset` of it without the images left out.

    Raises:
        FileNotFoundError: if there is no file `exclude`.
        ValueError: if more than `limit` of the images are bad, no image is left, or `exclude` names
            none that is in the source.
    """
    if exclude:
        source = without(source, exclude)
    facts = _read_all(source, progress)
    suspects = _suspects(facts, min_size)
    bad = {i: reason for i in suspects if (reason := unusable(source, i, min_size))}
    copied = {}
    if not copies:
        read = np.flatnonzero(facts["size"].any(axis=1))
        copied = equal_copies(source, facts[["size", "print"]], np.setdiff1d(read, [*bad]))
    reasons = {**bad, **copied}
    bad_images_path = os.fspath(bad_images_path)
    write_text(
        bad_images_path, "".join(f"{source.name(i)}\t{reasons[i]}\n" for i in sorted(reasons))
    )
    if not reasons:
        return source
    _refuse_too_many(source, bad, copied, limit, bad_images_path)
    _warn(source, bad, copied, bad_images_path)
    return Subset(source, np.setdiff1d(np.arange(len(source)), [*reasons]))


def _refuse_too_many(source, bad, copied, limit, bad_images_path):
    """ValueError if more than `limit` of the images are bad, or none is left."""
    if len(bad) > limit * len(source):
        first = next(iter(bad))
        raise ValueError(
            f"{len(bad)} of {len(source)} images cannot be used, the first is "
            f"{source.name(first)} ({bad[first]}): repair or remove those in {bad_images_path}."
        )
    if len(bad) + len(copied) == len(source):
        raise ValueError(
            f"Every image is a copy of one of another identity, see {bad_images_path}: "
            "check which folders are whose."
        )


def _warn(source, bad, copied, bad_images_path):
    """Says what was left out."""
    for i, reason in bad.items():
        logging.warning("Skipped %s: %s", source.name(i), reason)
    if bad:
        logging.warning("Skipped %d of %d images, see %s", len(bad), len(source), bad_images_path)
    if copied:
        logging.warning(
            "Left out %d of %d images as copies, see %s", len(copied), len(source), bad_images_path
        )


def _read_all(source, progress):
    """What one pass over all images tells.

    Returns:
        Structured array (n,): `size` (height and width in pixels, 0 where an image raises an
        error), `print` (a hash of the pixels) and `outside` (see `_outside`).
    """

    def facts_of(index):
        image, landmarks = source.load(index)
        pixels = tf.fingerprint(tf.reshape(image, (1, -1)))[0]
        size = tf.shape(image)[:2]
        return index, size, tf.bitcast(pixels, tf.int64), _outside(landmarks, size)

    facts = np.zeros(len(source), [("size", "i4", 2), ("print", "i8"), ("outside", "f4")])
    images = tf.data.Dataset.range(len(source)).map(
        facts_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
    )
    # An image that raises an error is known by its absence.
    batches = images.ignore_errors().batch(256).prefetch(tf.data.AUTOTUNE)
    with tqdm(
        total=len(source), desc="Checking images", unit=" images", disable=not progress
    ) as bar:
        for indices, *columns in batches.as_numpy_iterator():
            for name, column in zip(facts.dtype.names, columns):
                facts[name][indices] = column
            bar.update(len(indices))
    return facts


def _outside(landmarks, size):
    """How far the landmarks lie outside their image, in its height and width; 0 inside.

    Args:
        landmarks: float32 tensor (5, 2), x and y; not known where any is NaN.
        size: int32 tensor (2,), height and width in pixels.

    Returns:
        float32 scalar.
    """
    size = tf.cast(size, tf.float32)[::-1]
    beyond = tf.maximum(-landmarks, landmarks - (size - 1)) / size
    known = ~tf.reduce_any(tf.math.is_nan(landmarks))
    return tf.where(known, tf.maximum(tf.reduce_max(beyond), 0.0), 0.0)


def _suspects(facts, min_size):
    """Numbers of the images that cannot be used, ascending."""
    return np.flatnonzero((facts["size"].min(axis=1) < min_size) | (facts["outside"] > OUTSIDE))


def unusable(source: Faces, index: int, min_size: int = 16) -> str:
    """Why an image cannot be used, in one line; empty if it can.

    Args:
        source: source of faces.
        index: number of the image.
        min_size: least height and width in pixels.
    """
    try:
        image, landmarks = source.load(tf.constant(index, tf.int64))
    except tf.errors.OpError as error:
        return reason_of(error)
    height, width = image.shape[:2]
    if min(height, width) < min_size:
        return f"too small: {width}x{height} pixels, at least {min_size}x{min_size} are needed"
    if _outside(landmarks, image.shape[:2]) > OUTSIDE:
        x, y = max(landmarks.numpy(), key=lambda point: _outside(point[None], image.shape[:2]))
        return f"a landmark at ({x:g}, {y:g}), far outside its {width}x{height} pixels"
    return ""
