"""One pass over a set of faces that measures every image."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from pipelines.faces.cropping import crop_region
from pipelines.faces.regions import Region
from pipelines.faces.source import Faces
from pipelines.inspection.checking import unusable
from pipelines.inspection.duplicates import HASH_BYTES, perceptual_hash
from pipelines.sources.folder import FolderFaces

# The crop that hashes are taken from.
FACE = Region("face", channels=1)
# An image is grey if its colour channels differ by less, on average, of 255; JPEG leaves some.
GREY = 2.0
# How the files of a format begin.
FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP"}


class Survey(NamedTuple):
    """What was measured of every image of a source; some 300 bytes an image.

    All arrays have the source's length; rows of images that cannot be read are 0 or NaN.

    Attributes:
        source: the source of faces.
        unreadable: dict from the number of each image that cannot be read to the reason.
        sizes: int32 (n, 2), height and width in pixels.
        landmarks: float32 (n, 5, 2), x and y in pixels.
        grey: bool (n,), whether the image has no colours.
        contrast: float32 (n,), standard deviation of the aligned crop's grey levels, of 255.
        fingerprint: uint64 (n,), equal for images of equal pixels in which the landmarks show the
            same face: a photograph of two people may stand under both.
        hashes, mirrored: uint8 (n, 64), `perceptual_hash` of the aligned crop.
        bytes: int64 (n,), length of the files; empty if the source is no folder.
        formats: list of n names of formats, by the files' first bytes; empty likewise.
    """

    source: Faces
    unreadable: dict[int, str]
    sizes: NDArray[np.int32]
    landmarks: NDArray[np.float32]
    grey: NDArray[np.bool_]
    contrast: NDArray[np.float32]
    fingerprint: NDArray[np.uint64]
    hashes: NDArray[np.uint8]
    mirrored: NDArray[np.uint8]
    bytes: NDArray[np.int64]
    formats: list[str]

    def readable(self) -> NDArray[np.bool_]:
        """Which images can be read, bool (n,)."""
        return ~np.isin(np.arange(len(self.source)), list(self.unreadable))


def survey(source: Faces, *, title: str = "Reading", progress: bool = True) -> Survey:
    """Measures every image of a source in one parallel pass.

    Args:
        source: source of faces, such as `FolderFaces`.
        title: what the progress bar is called.
        progress: show a progress bar.

    Returns:
        A `Survey`.
    """
    n = len(source)
    files = _files(source)
    result = _empty(source, files is not None)
    images = tf.data.Dataset.range(n).map(
        lambda index: _measure(source, files, index),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=False,
    )
    # An image that raises an error is known by its absence.
    batches = images.ignore_errors().batch(64).prefetch(tf.data.AUTOTUNE)
    read = np.zeros(n, bool)
    with tqdm(total=n, desc=title, unit=" images", disable=not progress) as bar:
        for batch in batches.as_numpy_iterator():
            _enter(result, batch)
            read[batch["index"]] = True
            bar.update(len(batch["index"]))
    for i in np.flatnonzero(~read).tolist():
        result.unreadable[i] = unusable(source, i, 1) or "cannot be aligned"
    return result


def _files(source):
    """Paths of all images, a string tensor (n,); None unless the source is a folder."""
    if not isinstance(source, FolderFaces):
        return None
    with tf.device("CPU"):
        return tf.constant([os.path.join(source.path, source.name(i)) for i in range(len(source))])


def _empty(source, of_files):
    """A `Survey` in which nothing is measured yet."""
    n = len(source)
    return Survey(
        source=source,
        unreadable={},
        sizes=np.zeros((n, 2), np.int32),
        landmarks=np.full((n, 5, 2), np.nan, np.float32),
        grey=np.zeros(n, bool),
        contrast=np.zeros(n, np.float32),
        fingerprint=np.zeros(n, np.uint64),
        hashes=np.zeros((n, HASH_BYTES), np.uint8),
        mirrored=np.zeros((n, HASH_BYTES), np.uint8),
        bytes=np.zeros(n if of_files else 0, np.int64),
        formats=[""] * n if of_files else [],
    )


def _measure(source, files, index):
    """What is measured of an image in the graph, a dict of tensors."""
    image, landmarks = source.load(index)
    crop = tf.cast(tf.round(crop_region(image, landmarks, FACE)), tf.uint8)[..., 0]
    channels = tf.cast(image, tf.float32)
    spread = tf.reduce_max(channels, axis=2) - tf.reduce_min(channels, axis=2)
    pixels = tf.concat([tf.reshape(image, [-1]), tf.reshape(crop, [-1])], axis=0)
    measured = {
        "index": index,
        "sizes": tf.shape(image)[:2],
        "landmarks": landmarks,
        "grey": tf.reduce_mean(spread) < GREY,
        "contrast": tf.math.reduce_std(tf.cast(crop, tf.float32)),
        "fingerprint": tf.raw_ops.Fingerprint(data=pixels[None], method="farmhash64")[0],
        "crop": crop,
    }
    if files is not None:
        content = tf.io.read_file(tf.gather(files, index))
        measured["bytes"] = tf.strings.length(content)
        measured["head"] = tf.strings.substr(content, 0, 4)
    return measured


def _enter(result, batch):
    """Enters what was measured of some images."""
    index = batch["index"]
    for field in ("sizes", "landmarks", "grey", "contrast"):
        getattr(result, field)[index] = batch[field]
    result.fingerprint[index] = batch["fingerprint"].view(np.uint64)[:, 0]
    hashes = np.stack([perceptual_hash(crop) for crop in batch["crop"]])
    result.hashes[index], result.mirrored[index] = hashes[:, 0], hashes[:, 1]
    if "bytes" in batch:
        result.bytes[index] = batch["bytes"]
        for i, head in zip(index, batch["head"]):
            result.formats[i] = _format(head)


def _format(head):
    """Name of a file's format by its first bytes."""
    return next((name for magic, name in FORMATS.items() if head.startswith(magic)), "other")
