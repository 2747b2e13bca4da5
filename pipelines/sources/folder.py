"""A folder of faces on disk, one subfolder for each identity."""

import os

import numpy as np
import tensorflow as tf
from absl import logging
from numpy.typing import ArrayLike

from pipelines.faces.images import EXTENSIONS, decode
from pipelines.faces.landmarks import read_landmarks


class FolderFaces:
    """Faces in a folder IDENTITY/IMAGE, with their landmarks where a table gives them.

    Only names and landmarks are held in memory; an image is read when `load` runs. Files are JPEG,
    PNG, BMP, GIF or WebP (see `decode`); everything else and all hidden files are ignored.

    Args:
        path: the folder; any path that `tf.io.gfile` reads.
        landmarks: table of landmarks (see `read_landmarks`), relative to `path`. The default is
            used if it is there; None uses none.
        nominal: float array (5, 2), the landmarks of images that have none in the table, for
            folders whose images show all faces in about the same place. Without it these images
            are taken as roughly aligned (see `align`).
        videos: whether the folder is IDENTITY/VIDEO/IMAGE, as that of YouTube Faces; the images'
            names then are, too.

    Attributes:
        path: the folder.
        identities: list of the identities' names, sorted: the subfolders with an image in them.
        labels: int32 array (n,), for every image its identity. Images are sorted by name, those of
            one identity stand together.

    Raises:
        FileNotFoundError: if there is no such folder, or not the table of landmarks asked for.
        ValueError: if there is no image in it, or the table is malformed.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        landmarks: str | None = "landmarks.csv",
        nominal: ArrayLike | None = None,
        videos: bool = False,
    ) -> None:
        self.path = path = os.fspath(path)
        if not tf.io.gfile.isdir(path):
            raise FileNotFoundError(f"No folder {path}: give one that holds IDENTITY/IMAGE.")
        self.identities: list[str] = []
        self._names: list[str] = []
        labels: list[int] = []
        for identity in sorted(_entries(path)):
            folder = os.path.join(path, identity)
            images = [name for name in _below(folder, videos) if name.lower().endswith(EXTENSIONS)]
            if images:
                labels.extend([len(self.identities)] * len(images))
                self._names.extend(f"{identity}/{image}" for image in images)
                self.identities.append(identity)
        if not self._names:
            raise ValueError(
                f"No image in {path}: images belong into "
                f"{'IDENTITY/VIDEO' if videos else 'IDENTITY'}/IMAGE below it, "
                f"with a name that ends in {', '.join(EXTENSIONS)}."
            )
        self.labels = np.array(labels, np.int32)
        # Kept on the CPU, where tf.data runs.
        with tf.device("CPU"):
            self._files = tf.constant([os.path.join(path, name) for name in self._names])
            self._landmarks = tf.constant(self._find_landmarks(landmarks, nominal))

    def _find_landmarks(self, landmarks, nominal):
        """Landmarks of all images, float32 (n, 5, 2), NaN where not known."""
        found = np.full((len(self), 5, 2), np.nan, np.float32)
        instead = "taken as roughly aligned" if nominal is None else "given nominal landmarks"
        table, table_path = {}, os.path.join(self.path, landmarks or "")
        if landmarks == "landmarks.csv" and not tf.io.gfile.exists(table_path):
            logging.info("%s has no landmarks.csv: its images are %s.", self.path, instead)
        elif landmarks is not None:
            table = read_landmarks(table_path)
            missing = len(self) - sum(name.strip() in table for name in self._names)
            if missing:
                logging.warning(
                    "%d of %d images have no row in %s and are %s.",
                    missing,
                    len(self),
                    table_path,
                    instead,
                )
        for i, name in enumerate(self._names):
            found[i] = table.get(name.strip(), np.nan)  # as the table is read
        if nominal is not None:
            found[np.isnan(found).any((1, 2))] = nominal
        return found

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """Name of image i, "IDENTITY/IMAGE", or "IDENTITY/VIDEO/IMAGE"."""
        return self._names[int(i)]

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The image's file, a string tensor; see `load`."""
        return tf.io.read_file(tf.gather(self._files, index))

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads an image; runs in a tf.data graph as well.

        Args:
            index: scalar integer tensor.

        Returns:
            image: uint8 (height, width, 3).
            landmarks: float32 (5, 2), x and y in pixels of that image, integers at the centres of
                pixels; NaN if they are not known.

        Raises:
            tf.errors.OpError: if the file cannot be read or is no image.
        """
        return decode(self.content(index)), tf.gather(self._landmarks, index)


def _below(folder, videos):
    """Names of all that an identity's folder holds, sorted; none if it is a file.

    Args:
        folder: the identity's.
        videos: whether the files are in a folder each below it.
    """
    # Files beside the identities, such as the table of landmarks, are told by listing.
    if not tf.io.gfile.isdir(folder):
        return []
    entries = sorted(_entries(folder))
    if not videos:
        return entries
    return [
        f"{video}/{frame}"
        for video in entries
        for frame in _below(os.path.join(folder, video), videos=False)
    ]


def _entries(folder):
    """Names in a folder, those of hidden files left out."""
    try:
        # Object stores list folders with a slash at the end.
        names = [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
    except UnicodeDecodeError:
        raise ValueError(f"{folder} has a file whose name is not UTF-8: rename it.") from None
    return [name for name in names if not name.startswith(".")]
