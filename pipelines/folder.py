"""A folder of faces on disk, one subfolder for each identity."""

import os

import numpy as np
import tensorflow as tf
from absl import logging

from pipelines.landmarks import read_landmarks

# What tf.io.decode_image reads.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


class FolderFaces:
    """Faces in a folder IDENTITY/IMAGE, with their landmarks where a table gives them.

    Only names and landmarks are held in memory; an image is read when `load` runs. Files are JPEG,
    PNG, BMP or GIF (its first frame); everything else and all hidden files are ignored. An
    orientation in a JPEG's EXIF data is ignored too: landmarks are those of the stored pixels.

    Args:
        path: the folder; any path that `tf.io.gfile` reads.
        landmarks: table of landmarks (see `read_landmarks`), relative to `path`. The default is
            used if it is there; None takes every image as roughly aligned.

    Attributes:
        path: the folder.
        identities: list of the identities' names, sorted: the subfolders with an image in them.
        labels: int32 array (n,), for every image its identity. Images are sorted by name, those of
            one identity stand together.

    Raises:
        FileNotFoundError: if there is no such folder, or not the table of landmarks asked for.
        ValueError: if there is no image in it, or the table is malformed.
    """

    def __init__(self, path, landmarks="landmarks.csv"):
        self.path = path = os.fspath(path)
        if not tf.io.gfile.isdir(path):
            raise FileNotFoundError(f"No folder {path}: give one that holds IDENTITY/IMAGE.")
        self.identities, labels, self._names = [], [], []
        for identity in sorted(_entries(path)):
            folder = os.path.join(path, identity)
            # Files beside the identities, such as the table of landmarks, are told by listing.
            if not tf.io.gfile.isdir(folder):
                continue
            images = sorted(n for n in _entries(folder) if n.lower().endswith(EXTENSIONS))
            if images:
                labels.extend([len(self.identities)] * len(images))
                self._names.extend(f"{identity}/{image}" for image in images)
                self.identities.append(identity)
        if not self._names:
            raise ValueError(
                f"No image in {path}: images belong into IDENTITY/IMAGE below it, "
                f"with a name that ends in {', '.join(EXTENSIONS)}."
            )
        self.labels = np.array(labels, np.int32)
        # Kept on the CPU, where tf.data runs.
        with tf.device("CPU"):
            self._files = tf.constant([os.path.join(path, name) for name in self._names])
            self._landmarks = tf.constant(self._find_landmarks(landmarks))

    def _find_landmarks(self, landmarks):
        """Landmarks of all images, float32 (n, 5, 2), NaN where not known."""
        found = np.full((len(self), 5, 2), np.nan, np.float32)
        if landmarks is None:
            return found
        table_path = os.path.join(self.path, landmarks)
        if landmarks == "landmarks.csv" and not tf.io.gfile.exists(table_path):
            logging.info(
                "%s has no landmarks.csv: its images are taken as roughly aligned.", self.path
            )
            return found
        table = read_landmarks(table_path)
        missing = 0
        for i, name in enumerate(self._names):
            if name.strip() in table:  # without blanks at its ends, as the table is read
                found[i] = table[name.strip()]
            else:
                missing += 1
        if missing:
            logging.warning(
                "%d of %d images have no row in %s and are taken as roughly aligned.",
                missing,
                len(self),
                table_path,
            )
        return found

    def __len__(self):
        return len(self.labels)

    def name(self, i):
        """Name of image i, "IDENTITY/IMAGE"."""
        return self._names[int(i)]

    def load(self, index):
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
        content = tf.io.read_file(tf.gather(self._files, index))
        image = tf.io.decode_image(content, channels=3, expand_animations=False)
        return tf.ensure_shape(image, (None, None, 3)), tf.gather(self._landmarks, index)


def _entries(folder):
    """Names in a folder, those of hidden files left out."""
    # Object stores list folders with a slash at the end.
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
    return [name for name in names if not name.startswith(".")]
