"""Photographs of any kind and size, also hostile ones, and the faces in them."""

import dataclasses
import hashlib
import io
import os
import stat

import numpy as np
import tensorflow as tf

from pipelines.batches.batches import network_input
from pipelines.detection import Face, main_face, upright_turns
from pipelines.detection.letterbox import letterbox, to_stored
from pipelines.faces.images import decode
from pipelines.faces.reasons import reason_of
from sparseface_tf.recognition import containers, wording

# A photograph's file is read whole; ordinary ones are of some megabytes.
MAX_BYTES = 1 << 28
MIN_SIDE = 16


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photograph, upright.

    Attributes:
        path: its file.
        digest: SHA-256 of the file, bytes (32,).
        image: uint8 array (height, width, 3), turned as its EXIF data says.
    """

    path: str
    digest: bytes
    image: np.ndarray


class UnusablePhoto(ValueError):
    """A photograph that cannot be used, with the reason in one line."""


def open_photo(path):
    """Reads a photograph: JPEG, PNG, BMP, GIF or WebP, see `pipelines.faces.images.decode`, TIFF, HEIC
    or AVIF, see `containers`.

    How much memory that takes is known before it is decoded: no file of more than `MAX_BYTES` is
    read, no image of more than `pipelines.faces.images.MAX_PIXELS` decoded.

    Args:
        path: the file.

    Returns:
        `Photo`.

    Raises:
        UnusablePhoto: if it is not there, cannot be read, is no photograph, is broken, or is too
            small or too large.
    """
    path = os.fspath(path)
    try:
        if os.path.isdir(path):
            raise UnusablePhoto(
                f"{path} is a folder: give its photographs, such as {os.path.join(path, '*.jpg')}."
            )
        # Not what would wait for a writer, or never end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnusablePhoto(f"{path} is no file: give a photograph.")
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        if isinstance(error, UnusablePhoto):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UnusablePhoto(f"{path} cannot be read: {reason}.") from None
    if len(content) > MAX_BYTES:
        raise UnusablePhoto(f"{path} has more than {MAX_BYTES >> 20} MiB: make it smaller.")
    try:
        image = _upright(content)
    except tf.errors.OpError as error:
        raise UnusablePhoto(f"{path} cannot be read: {reason_of(error)}.") from None
    except ValueError as error:
        raise UnusablePhoto(f"{path} cannot be read: {error}.") from None
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise UnusablePhoto(
            f"{path} has {width} x {height} pixels: at least {MIN_SIDE} x {MIN_SIDE} are needed."
        )
    return Photo(path, hashlib.sha256(content).digest(), image)


def _upright(content):
    if containers.container_of(content):
        return containers.decode_container(content)
    image = decode(tf.constant(content))
    return tf.image.rot90(image, upright_turns(io.BytesIO(content))).numpy()


def open_detector():
    """MTCNN as a detector, see `find_faces`.

    Raises:
        ValueError: if its package is not installed.
    """
    try:
        # A package of an extra that training does without.
        from pipelines.detection.mtcnn import MtcnnDetector  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package {error.name} is missing: pip install 'sparseface_tf[detect]'."
        ) from None
    return MtcnnDetector()


def find_faces(image, detector, *, size=640, confidence=0.9):
    """The faces in a photograph, from left to right.

    Args:
        image: uint8 array (height, width, 3), upright.
        detector: function from uint8 RGB images, an array (n, size, size, 3), to n lists of
            `pipelines.detection.Face`.
        size: side in pixels of the square that the photograph is fitted into for the detector,
            which finds faces from some 20 pixels there.
        confidence: the least of a face.

    Returns:
        List of `Face`, boxes and landmarks in pixels of the photograph.
    """
    height, width = image.shape[:2]
    (found,) = detector(letterbox(tf.constant(image), size).numpy()[None])
    faces = []
    for face in found:
        corners = to_stored(np.reshape(face.box, (2, 2)), height, width, size)
        landmarks = to_stored(face.landmarks, height, width, size)
        if face.confidence < confidence or not np.isfinite([*corners, *landmarks]).all():
            continue
        # A face may reach beyond the photograph, and a box without pixels is none.
        left, top, right, bottom = corners.ravel()
        if min(right, width) > max(left, 0) and min(bottom, height) > max(top, 0):
            faces.append(Face(corners.ravel(), float(face.confidence), landmarks))
    return sorted(faces, key=lambda face: tuple(face.box))


def turned_until_found(photo, detector, **how):
    """The faces in a photograph, which is turned if it lies on its side or upside down.

    Only one without a face as it is is turned. Of several orientations with faces, that counts
    whose surest face is the surest.

    Args:
        photo: `Photo`.
        detector, how: see `find_faces`.

    Returns:
        photo: the `Photo`, turned; the one given if no orientation has a face.
        faces: list of `Face` in it.
        turns: quarter turns to the left that it was given, 0 to 3.
    """
    found = {0: find_faces(photo.image, detector, **how)}
    if found[0]:
        return photo, found[0], 0
    for turns in (1, 2, 3):
        image = np.ascontiguousarray(np.rot90(photo.image, turns))
        found[turns] = find_faces(image, detector, **how)
    turns = max(found, key=lambda turns: max((f.confidence for f in found[turns]), default=0.0))
    image = np.ascontiguousarray(np.rot90(photo.image, turns))
    return dataclasses.replace(photo, image=image), found[turns], turns


def chosen_face(faces, image, number=0):
    """Number, from 0, of the face that a photograph is of.

    Args:
        faces: list of `Face`.
        image: the photograph, array (height, width, 3).
        number: the one asked for, from 1; 0 for the largest and most central one.

    Raises:
        ValueError: if there is no face, or not as many.
    """
    if not faces:
        raise ValueError(f"no face found, {wording.NOWHERE}")
    if number > len(faces):
        raise ValueError(f"face {number} was asked for, and {wording.faces(len(faces))} found")
    return number - 1 if number else main_face(faces, *image.shape[:2])


def embed_faces(embedder, image, faces):
    """Features of faces: each the mean of the face's and of its mirror image's.

    Args:
        embedder: `sparseface_tf.embedding.embedder.Embedder`.
        image: uint8 array (height, width, 3).
        faces: list of `Face` in it.

    Returns:
        float32 array (faces, features).

    Raises:
        ValueError: if the features are not finite.
    """
    width = embedder.network.output_shape[-1]
    if not faces:
        return np.zeros((0, width), np.float32)
    image = tf.constant(image)
    crops = [
        network_input(image, tf.constant(face.landmarks, tf.float32), embedder.region, mirrored=side)
        for side in (False, True)
        for face in faces
    ]
    features = np.asarray(embedder.network.predict_on_batch(tf.stack(crops)), np.float32)
    if not np.isfinite(features).all():
        raise ValueError(f"{embedder.path} gives features that are not finite: it is broken.")
    return features.reshape(2, len(faces), width).mean(0)
