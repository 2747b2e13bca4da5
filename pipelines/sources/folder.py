"""A folder of faces on disk, one subfolder for each identity."""

import collections
import os
import unicodedata

import numpy as np
import tensorflow as tf
from absl import logging
from numpy.typing import ArrayLike

from pipelines.faces.images import decode
from pipelines.faces.landmarks import read_landmarks
from pipelines.faces.limits import EXTENSIONS
from pipelines.faces.names import Names, advice
from pipelines.faces.orientation import quarter_turns, upright


class FolderFaces:
    """Faces in a folder IDENTITY/IMAGE, with their landmarks where a table gives them.

    Only names and landmarks are held in memory; an image is read when `load` runs. Files are JPEG,
    PNG, BMP, GIF or WebP (see `decode`) with one of their extensions; all others are left out and
    counted in words, hidden ones without. An image whose landmarks are not in the table is turned
    as its EXIF data says (see `upright`); those in the table are of the stored pixels.

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
        ValueError: if there is no image in it, if the names of two folders or images differ only in
            how Unicode writes them, if the table is malformed, or if none of its rows fits.
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
        others: collections.Counter[str] = collections.Counter()
        for identity in sorted(_entries(path)):
            folder = os.path.join(path, identity)
            files = _below(folder, videos)
            images = [name for name in files if name.lower().endswith(EXTENSIONS)]
            others.update(_ending(name) for name in set(files).difference(images))
            _check_alike(images, folder)
            if images:
                labels.extend([len(self.identities)] * len(images))
                self._names.extend(f"{identity}/{image}" for image in images)
                self.identities.append(identity)
        if not self._names:
            raise ValueError(
                f"No image in {path}: images belong into "
                f"{'IDENTITY/VIDEO' if videos else 'IDENTITY'}/IMAGE below it, "
                f"with a name that ends in {', '.join(EXTENSIONS)}"
                f"{'; there are ' * bool(others)}{_counted(others)}."
            )
        _check_alike(self.identities, path)
        if others:
            logging.warning("%s: left out as no images by their names: %s.", path, _counted(others))
        self.labels = np.array(labels, np.int32)
        # Kept on the CPU, where tf.data runs.
        with tf.device("CPU"):
            self._files = tf.constant([os.path.join(path, name) for name in self._names])
            instead = "taken as roughly aligned" if nominal is None else "given nominal landmarks"
            table = self._read_table(landmarks, instead)
            # What is not in the table, or without landmarks there.
            unknown = np.isnan(table).any((1, 2))
            self._turned, self._turns = tf.constant(unknown), bool(unknown.any())
            self._has_nominal = nominal is not None
            if nominal is not None:
                table[unknown] = nominal
            self._landmarks = tf.constant(table)

    def _read_table(self, landmarks, instead):
        """Landmarks of all images in the table, float32 (n, 5, 2), NaN where not known.

        Args:
            landmarks: see the class.
            instead: what images without are, for messages.
        """
        found = np.full((len(self), 5, 2), np.nan, np.float32)
        path = os.path.join(self.path, landmarks or "")
        if landmarks == "landmarks.csv" and not tf.io.gfile.exists(path):
            logging.info("%s has no landmarks.csv: its images are %s.", self.path, instead)
        elif landmarks is not None:
            table = read_landmarks(path)
            # Paths may be whole ones.
            rows = [name.removeprefix(f"{self.path.rstrip('/')}/") for name in table]
            numbers = np.array([*map(Names(rows).find, self._names)])
            values = np.array([*table.values(), found[0]])  # the last one is that of -1
            found = values[numbers]
            self._tell_missing(path, rows, numbers, instead)
        return found

    def _tell_missing(self, path, rows, numbers, instead):
        """Says how many images have no row; ValueError if there are rows and none fits.

        Args:
            path: the table.
            rows: its names of images.
            numbers: int (n,), the row of every image, -1 without.
            instead: what images without are.
        """
        missing = np.count_nonzero(numbers < 0)
        unused = [rows[i] for i in np.setdiff1d(np.arange(len(rows)), numbers)]
        if rows and missing == len(self):
            told = advice(Names(self._names), rows[0], "give paths as IDENTITY/IMAGE")
            raise ValueError(
                f"{path}: none of its {len(rows)} rows fits an image; the first is of {rows[0]}, "
                f"the first image is {self._names[0]}: {told}."
            )
        if missing:
            logging.warning(
                "%d of %d images have no row in %s and are %s%s.",
                missing,
                len(self),
                path,
                instead,
                f"; {len(unused)} of its rows fit no image, the first is of {unused[0]}"
                if unused
                else "",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """Name of image i, "IDENTITY/IMAGE", or "IDENTITY/VIDEO/IMAGE"."""
        return self._names[int(i)]

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The image's file, a string tensor; see `load`.

        Landmarks that `load` gives are those of the file's pixels. So it is made anew where the
        image was turned for nominal ones.
        """
        content = tf.io.read_file(tf.gather(self._files, index))
        if not self._has_nominal:
            return content

        def made_anew():
            return tf.cond(
                quarter_turns(content) > 0,
                lambda: tf.io.encode_png(upright(decode(content), content)),
                lambda: content,
            )

        return tf.cond(tf.gather(self._turned, index), made_anew, lambda: content)

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
        content = tf.io.read_file(tf.gather(self._files, index))
        image = decode(content)
        if self._turns:  # else the graph is spared the question
            image = upright(image, content, tf.gather(self._turned, index))
        return image, tf.gather(self._landmarks, index)


def _ending(name):
    return os.path.splitext(name)[1].lower() or "without extension"


def _counted(endings):
    """A `Counter` of extensions in words."""
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common())


def _check_alike(names, folder):
    """ValueError if two names differ only in how Unicode writes them."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise ValueError(
                f"{folder} has {other} twice, written in two ways of Unicode: rename one, or join "
                "them."
            )


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
