"""Finding the images that must not be used, before a run starts."""

import os

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from pipelines.faces.text import read_lines
from pipelines.files import write_atomically
from pipelines.sources.subset import Subset

# How far outside its image a landmark may lie, of the image's width or height: that of a cropped
# face lies outside a little, one of a wrong row or of another image size far.
OUTSIDE = 0.5


def check_images(
    source,
    bad_images_path,
    *,
    exclude="",
    copies=False,
    min_size=16,
    limit=0.01,
    progress=True,
):
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
        source = _without(source, exclude)
    facts = _read_all(source, progress)
    suspects = _suspects(facts, min_size)
    bad = {i: reason for i in suspects if (reason := unusable(source, i, min_size))}
    read = np.flatnonzero(facts["size"].any(axis=1))
    copied = {} if copies else _copies(source, facts, np.setdiff1d(read, [*bad]))
    reasons = {**bad, **copied}
    lines = [f"{source.name(i)}\t{reasons[i]}\n" for i in sorted(reasons)]
    write_atomically(bad_images_path, lambda file: file.write("".join(lines).encode("utf-8")))
    if not reasons:
        return source

    bad_images_path = os.fspath(bad_images_path)
    if len(bad) > limit * len(source):
        first = next(iter(bad))
        raise ValueError(
            f"{len(bad)} of {len(source)} images cannot be used, the first is "
            f"{source.name(first)} ({bad[first]}): repair or remove those in {bad_images_path}."
        )
    if len(reasons) == len(source):
        raise ValueError(
            f"Every image is a copy of one of another identity, see {bad_images_path}: "
            "check which folders are whose."
        )
    for i, reason in bad.items():
        logging.warning("Skipped %s: %s", source.name(i), reason)
    if bad:
        logging.warning("Skipped %d of %d images, see %s", len(bad), len(source), bad_images_path)
    if copied:
        logging.warning(
            "Left out %d of %d images as copies, see %s", len(copied), len(source), bad_images_path
        )
    return Subset(source, np.setdiff1d(np.arange(len(source)), [*reasons]))


def _without(source, path):
    """The source without the images that a file names."""
    path = os.fspath(path)
    lines = read_lines(path, "list of images to leave out")
    names = {line.partition("\t")[0].strip("\r") for _, line in lines} - {""}
    kept = [i for i in range(len(source)) if source.name(i) not in names]
    unknown = sorted(names.difference(map(source.name, range(len(source)))))
    if unknown and len(unknown) == len(names):
        raise ValueError(
            f"{path} names no image that is there, the first is {unknown[0]}: give each as "
            "IDENTITY/IMAGE."
        )
    if not kept:
        raise ValueError(f"{path} leaves out every image: nothing would be left.")
    logging.info("Left out %d images that %s names.", len(source) - len(kept), path)
    if unknown:
        # As those that write_records has left out already.
        logging.warning(
            "%d names in %s are not among the images, the first is %s.", len(unknown), path, unknown[0]
        )
    return Subset(source, kept)


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


def unusable(source, index, min_size=16):
    """Why an image cannot be used, in one line; empty if it can.

    Args:
        source: source of faces.
        index: number of the image.
        min_size: least height and width in pixels.
    """
    try:
        image, landmarks = source.load(tf.constant(index, tf.int64))
    except tf.errors.OpError as error:
        # "{{function_node …}} reason [Op:DecodeImage] name:", or of an assertion
        # "Expected … to be true. Summarized data: b'reason'"
        message = error.message.rpartition("}}")[2].partition("[Op:")[0]
        reason = message.rpartition("Summarized data: b")[2].strip("'\"")
        return " ".join(reason.split()) or "cannot be read"
    height, width = image.shape[:2]
    if min(height, width) < min_size:
        return f"too small: {width}x{height} pixels, at least {min_size}x{min_size} are needed"
    if _outside(landmarks, image.shape[:2]) > OUTSIDE:
        x, y = max(landmarks.numpy(), key=lambda point: _outside(point[None], image.shape[:2]))
        return f"a landmark at ({x:g}, {y:g}), far outside its {width}x{height} pixels"
    return ""


def _copies(source, facts, usable):
    """Images to leave out because the same photograph is there more than once.

    Args:
        source: source of faces.
        facts: what `_read_all` returns.
        usable: int array, numbers of the images to look at.

    Returns:
        Dict from the number of an image to the reason, in one line.
    """
    _, photograph, count = np.unique(
        facts[["size", "print"]][usable], return_inverse=True, return_counts=True
    )
    repeated = count[photograph] > 1
    groups = {}
    for i, number in zip(usable[repeated], photograph[repeated]):
        groups.setdefault(number, []).append(i)

    reasons = {}
    for group in groups.values():
        labels = source.labels[group]
        if len(set(labels)) == 1:
            for i in group[1:]:
                reasons[i] = f"the same photograph as {source.name(group[0])}"
            continue
        for i, label in zip(group, labels):
            other = group[np.argmax(labels != label)]
            reasons[i] = f"the same photograph as {source.name(other)}, of another identity"
    return reasons
