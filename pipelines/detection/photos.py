"""Finding the landmarks of a folder of photographs."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from pipelines.detection.face import Face, main_face
from pipelines.detection.letterbox import fitted_size, letterbox, to_stored
from pipelines.detection.notes import Counts, counts_of, known_landmarks, noting, write_tables
from pipelines.detection.orientation import upright_turns
from pipelines.faces.images import decode
from pipelines.faces.names import Names
from pipelines.inspection.checking import unusable
from pipelines.sources.folder import FolderFaces

MIN_SIZE = 64


def detect_landmarks(
    folder: str | os.PathLike,
    detector: Callable[[NDArray[np.uint8]], Sequence[Sequence[Face]]],
    *,
    size: int = 640,
    batch: int = 16,
    progress: bool = True,
) -> Counts:
    """Finds the faces in the photographs that landmarks.csv does not have yet.

    Photographs are turned as their EXIF data says and letterboxed to one size for the detector;
    landmarks are those of the stored pixels. Rows are added to landmarks.csv, empty ones for
    photographs without a face; detect_report.csv names those without a face, with several, and
    those that cannot be read, which are tried again next time. Killed at any moment, the next call
    goes on.

    Args:
        folder: folder of photographs IDENTITY/IMAGE, see `FolderFaces`.
        detector: function from uint8 RGB images, an array (n, size, size, 3), to n lists of
            `Face`.
        size: side in pixels of the square that every photograph is fitted into.
        batch: photographs in a batch.
        progress: show a progress bar.

    Returns:
        `Counts` of the whole folder.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if there is no image in it, a table in it is malformed, or an argument is off.
        OSError: if the folder cannot be written to.
    """
    if size < MIN_SIZE:
        raise ValueError(f"size is {size}: it must be {MIN_SIZE} pixels or more.")
    if batch < 1:
        raise ValueError(f"batch is {batch}: it must be 1 or more.")
    source = FolderFaces(folder, landmarks=None)
    names = [source.name(i) for i in range(len(source))]
    write_tables(source.path, names)  # what a run that was killed has noted
    known = known_landmarks(source.path)
    there = Names([*known])
    missing = [i for i, name in enumerate(names) if there.find(name) < 0]
    if missing:
        with noting(source.path, names) as note, tqdm(
            total=len(names),
            initial=len(names) - len(missing),
            desc="Finding faces",
            unit=" images",
            disable=not progress,
        ) as bar:
            unread = set(missing)
            for indices, images, sides, turns in _batches(source, missing, size, batch):
                for i, side, turn, faces in zip(indices, sides, turns, detector(images)):
                    note(path=names[i], **_main_row(faces, side, size, turn))
                unread.difference_update(indices.tolist())
                bar.update(len(indices))
            for i in sorted(unread):
                note(path=names[i], reason=unusable(source, i) or "cannot be read")
                bar.update()
    return counts_of(source.path, names)


def _batches(source, indices, size, batch):
    """Letterboxed photographs in order; those that cannot be read are left out.

    Yields:
        numbers of the photographs, int64 (n,); images, uint8 (n, size, size, 3); their stored
        heights and widths, int32 (n, 2); quarter turns to the left that they were given, int64
        (n,).
    """

    def turns_of(index):
        return np.int64(upright_turns(os.path.join(source.path, source.name(index))))

    def load(index):
        image = decode(source.content(index))  # as it is stored
        turns = tf.ensure_shape(tf.numpy_function(turns_of, [index], tf.int64), ())
        return index, letterbox(image, size, turns), tf.shape(image)[:2], turns

    images = tf.data.Dataset.from_tensor_slices(np.array(indices, np.int64)).map(
        load, num_parallel_calls=tf.data.AUTOTUNE
    )
    return images.ignore_errors().batch(batch).prefetch(1).as_numpy_iterator()


def _main_row(faces, sides, size, turns):
    """What is noted of a photograph: number of faces, confidence and landmarks of the main one."""
    if not faces:
        return {"faces": 0}
    height, width = sides.tolist()
    face = faces[main_face(faces, *fitted_size(height, width, size, turns))]
    landmarks = to_stored(face.landmarks, height, width, size, turns)
    return {
        "faces": len(faces),
        "confidence": float(face.confidence),
        "landmarks": landmarks.tolist(),
    }
