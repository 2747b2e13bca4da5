"""Faces given as boxes in photographs and video frames, as IJB-A's tables give them."""

import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.faces.alignment import expected_frame
from pipelines.faces.images import decode, refuse
from pipelines.faces.names import Names, advice, comparable

# What is cut out around a box on each side, as a share of its larger side.
MARGIN = 0.25
# Pixels: the largest side and place of a box that are looked at in an image.
_LARGEST = 1 << 20
# Pixels of a cut's side: more than around any face.
_LARGEST_CUT = 1 << 14


class BoxedFace(NamedTuple):
    """A face in a file.

    Attributes:
        subject: name of the identity.
        file: the image, relative to the folder of images.
        box: left, top, width and height in pixels.
        row: where it is listed, for messages: "TABLE, line N".
    """

    subject: str
    file: str
    box: tuple[float, float, float, float]
    row: str = ""

    @property
    def name(self) -> str:
        """SUBJECT/FILE@left,top,width,height: a file may show several faces."""
        return f"{self.subject}/{self.file}@{','.join(f'{x:g}' for x in self.box)}"


class BoxedFaces:
    """A source of faces cut out of images.

    Args:
        path: folder of images.
        faces: iterable of `BoxedFace`; repeated ones count once.
        margin: see `MARGIN`. The cut is a square, black where it leaves the image. Files are
            found whatever way their names are written in, see `pipelines.faces.names.comparable`.
        allow_missing: whether faces whose file is not there are left out.

    Attributes:
        identities: list of the subjects, sorted.
        labels: int32 array (n,), for every face its identity, ascending.
        missing: number of files that are not there.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if files are missing, or there is no face, or a box is larger than any image.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        faces: Iterable[BoxedFace],
        margin: float = MARGIN,
        allow_missing: bool = False,
    ) -> None:
        if not tf.io.gfile.isdir(path):
            raise FileNotFoundError(f"No folder {path}: give the one that the images are in.")
        faces = list({face[:3]: face for face in sorted(faces, reverse=True)}.values())[::-1]
        for face in faces:
            if max(map(abs, face.box)) > _LARGEST:
                raise ValueError(f"{face.row or face.name}: no image is as large as the box {face.box}.")
        stored = _Stored(path)
        files = {face.file: stored.find(face.file) for face in faces}
        missing = [file for file, found in files.items() if not found]
        if missing and not allow_missing:
            told = advice(stored.beside(missing[0]), missing[0], "give the folder that the tables' files are in")
            raise ValueError(
                f"{len(missing)} of {len(files)} files are not in {path}, the first is "
                f"{missing[0]}: {told}."
            )
        gone = set(missing)
        faces = [face for face in faces if face.file not in gone]
        if not faces:
            raise ValueError(f"No face in {path}: none of its files is in the tables.")
        self.missing = len(missing)
        self.identities, labels = np.unique([face.subject for face in faces], return_inverse=True)
        self.identities = self.identities.tolist()
        self.labels = labels.astype(np.int32)
        self._names = [face.name for face in faces]
        boxes = np.array([face.box for face in faces], np.float64)
        with tf.device("CPU"):
            self._files = tf.constant([os.path.join(path, files[face.file]) for face in faces])
            self._told = tf.constant([face.row or face.name for face in faces])
            self._squares = tf.cast(_squares(boxes, margin), tf.int32)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """Name of face i, see `BoxedFace.name`."""
        return self._names[int(i)]

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The face as a PNG file, a string tensor."""
        return tf.io.encode_png(self.load(index)[0])

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Cuts out a face; runs in a tf.data graph as well.

        Args:
            index: scalar integer tensor.

        Returns:
            image: uint8 (side, side, 3).
            landmarks: float32 (5, 2), NaN: not known.

        Raises:
            tf.errors.OpError: if the file cannot be read, or the square is beside its image or more
                than twice as large; the message names the row.
        """
        image = decode(tf.io.read_file(tf.gather(self._files, index)))
        left, top, side = tf.unstack(tf.gather(self._squares, index))
        height, width = tf.unstack(tf.shape(image)[:2])
        told = tf.gather(self._told, index)
        size = tf.strings.format("an image of {} x {} pixels", (width, height))
        beside = (left >= width) | (top >= height) | (left + side <= 0) | (top + side <= 0)
        large = (side > 2 * tf.maximum(width, height)) | (side > _LARGEST_CUT)
        checks = [
            refuse(beside, tf.strings.join([told, ": its box is beside ", size])),
            refuse(large, tf.strings.join([told, ": its box is far larger than ", size])),
        ]
        with tf.control_dependencies(checks):
            image = tf.identity(image)
        # What of the square is on the image.
        y, x = tf.clip_by_value(top, 0, height), tf.clip_by_value(left, 0, width)
        bottom = tf.clip_by_value(top + side, 0, height)
        right = tf.clip_by_value(left + side, 0, width)
        before_y = tf.clip_by_value(-top, 0, side)
        before_x = tf.clip_by_value(-left, 0, side)
        seen = image[y:bottom, x:right]
        after = [side - before_y - (bottom - y), side - before_x - (right - x)]
        face = tf.pad(seen, [[before_y, after[0]], [before_x, after[1]], [0, 0]])
        return tf.ensure_shape(face, (None, None, 3)), tf.fill([5, 2], np.float32(np.nan))


class _Stored:
    """Files below a folder under names that others may write in another way."""

    def __init__(self, folder):
        self._folder, self._listed = os.fspath(folder), {}

    def find(self, file):
        """The file's path below the folder as it is stored; "" if it is not there."""
        if tf.io.gfile.exists(os.path.join(self._folder, file)):
            return file
        found = ""
        for part in comparable(file).split("/"):
            names = self._names(found)
            number = Names(names).find(part)
            if number < 0:
                return ""
            found = os.path.join(found, names[number])
        return found

    def beside(self, file):
        """`Names` of the files in the folder that a file should be in."""
        folder = self.find(os.path.dirname(comparable(file)) or ".")
        return Names([os.path.join(folder, name) for name in self._names(folder)] if folder else [])

    def _names(self, below):
        if below not in self._listed:
            folder = os.path.join(self._folder, below)
            names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
            self._listed[below] = [name.rstrip("/") for name in names]
        return self._listed[below]


def box_landmarks(box: tf.Tensor) -> tf.Tensor:
    """Landmarks that a face in a box is expected to have.

    A region cut out by them is the one of the face that `BoxedFaces` cuts out, without a picture
    in between that is as large as the box.

    Args:
        box: real tensor (4,): left, top, width and height in pixels.

    Returns:
        float64 tensor (5, 2), x and y in pixels.
    """
    left, top, side = tf.unstack(_squares(box, MARGIN))
    _, _, points = expected_frame(tf.stack([side, side]))
    return tf.stack([tf.math.real(points) + left, tf.math.imag(points) + top], axis=-1)


def _squares(boxes, margin):
    """Left, top and side of what is cut out around boxes (…, 4): float64 (…, 3), whole pixels."""
    boxes = tf.cast(boxes, tf.float64)
    side = tf.reduce_max(boxes[..., 2:], axis=-1, keepdims=True) * (1 + 2 * margin)
    corner = boxes[..., :2] + boxes[..., 2:] / 2 - side / 2
    return tf.maximum(tf.round(tf.concat([corner, side], -1)), [-np.inf, -np.inf, 1])
