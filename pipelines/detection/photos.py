"""Finding the landmarks of a folder of photographs, such that a kill loses no work.

What is found is first noted, a line a photograph, in a file beside landmarks.csv; the tables are
written from it at the end, or when the next run begins.
"""

import contextlib
import csv
import io
import json
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from pipelines.detection.letterbox import fitted_size, letterbox, to_stored
from pipelines.faces.images import MAX_PIXELS
from pipelines.faces.landmarks import add_landmarks, read_landmarks
from pipelines.files import write_atomically
from pipelines.inspection.checking import unusable
from pipelines.sources.folder import FolderFaces

TABLE, REPORT, NOTES = "landmarks.csv", "detect_report.csv", "landmarks.csv.partial"
REPORT_COLUMNS = ["path", "faces", "reason"]
MIN_SIZE = 64

ORIENTATION = 0x0112  # the EXIF tag
# Quarter turns to the left that set a stored image upright. Mirrored ones are not mirrored back: a
# mirrored face is a face, and no similarity transform could follow.
TURNS = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}


class Face(NamedTuple):
    """A face as a detector gives it, in pixels of the image it was given.

    Attributes:
        box: real array (4,), left, top, right and bottom.
        confidence: float, 0 … 1.
        landmarks: real array (5, 2), x and y of the viewer's left eye, right eye, nose, left and
            right corner of the mouth, integers at the centres of pixels.
    """

    box: np.ndarray
    confidence: float
    landmarks: np.ndarray


class Counts(NamedTuple):
    """What is known of a folder's photographs.

    Attributes:
        photographs: all of them.
        found: those with landmarks.
        several: those of several faces, of which one was chosen.
        none: those that have a row in the table, but no landmarks.
        unreadable: those that could not be read.
    """

    photographs: int
    found: int
    several: int
    none: int
    unreadable: int


def detect_landmarks(folder, detector, *, size=640, batch=16, progress=True):
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
    _write_tables(source.path, names)  # what a run that was killed has noted
    known = _known_landmarks(source.path)
    missing = [i for i, name in enumerate(names) if name.strip() not in known]
    if missing:
        with _notes(source.path, names) as note, tqdm(
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
    return _counts(source.path, names)


def main_face(faces, height, width):
    """The face that a photograph is of: the largest, unless a smaller one is more central.

    It has the largest product of its box's area and of one minus the distance of the box's centre
    from the photograph's, relative to half the diagonal.

    Args:
        faces: list of `Face`, not empty.
        height, width: size of the photograph, in the pixels of the boxes.

    Returns:
        The number of the face in the list.
    """
    left, top, right, bottom = np.array([face.box for face in faces], np.float64).T
    away = np.hypot(left + right - width + 1, top + bottom - height + 1) / np.hypot(height, width)
    return int(np.argmax((right - left) * (bottom - top) * (1 - away)))


def upright_turns(path):
    """Quarter turns to the left that set an image upright, as its EXIF data says; else 0.

    Args:
        path: the image, or a binary file.
    """
    try:
        # Only kinds that `decode` reads. Of a PNG, Pillow decodes all to come to the EXIF data.
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                return 0
            return TURNS.get(image.getexif().get(ORIENTATION), 0)
    except Exception:  # many kinds; whether the file can be used is for others to find out
        return 0


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
        image, _ = source.load(index)
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


@contextlib.contextmanager
def _notes(folder, names):
    """Gives a function that notes a line; writes the tables at the end, whatever ends it."""
    try:
        file = open(os.path.join(folder, NOTES), "a", encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"Cannot write into {folder} ({error.strerror}): landmarks.csv belongs beside the "
            "identities; make the folder writable, or copy it."
        ) from None

    def note(**row):
        file.write(json.dumps(row) + "\n")
        file.flush()

    try:
        with file:
            yield note
    finally:
        _write_tables(folder, names)


def _write_tables(folder, names):
    """Brings the notes into landmarks.csv and the report, and removes them.

    Repeating it changes nothing, so that a kill in between does no harm.
    """
    notes = os.path.join(folder, NOTES)
    if not os.path.exists(notes):
        return
    rows = {}
    with open(notes, encoding="utf-8", errors="replace") as file:
        for line in file:
            # The last line is torn if a run was killed while it wrote.
            with contextlib.suppress(json.JSONDecodeError):
                row = json.loads(line)
                rows[row["path"]] = row
    add_landmarks(
        os.path.join(folder, TABLE),
        {
            name: (row.get("confidence"), row.get("landmarks"))
            for name, row in rows.items()
            if "faces" in row
        },
    )
    report = _read_report(folder)
    for name, row in rows.items():
        report.pop(name, None)
        if row.get("faces") == 0:
            report[name] = ("0", "no face found")
        elif row.get("faces", 1) > 1:
            report[name] = (str(row["faces"]), "several faces: the largest and most central taken")
        elif "reason" in row:
            report[name] = ("", row["reason"])
    _write_report(folder, {name: report[name] for name in names if name in report})
    os.unlink(notes)


def _read_report(folder):
    """The report, a dict from a photograph's name to number of faces and reason, as texts."""
    path = os.path.join(folder, REPORT)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != REPORT_COLUMNS or any(len(row) != 3 for row in rows):
        raise ValueError(
            f"{path} is not a report of faces found, with the columns "
            f"{', '.join(REPORT_COLUMNS)}: move it away."
        )
    return {name: (faces, reason) for name, faces, reason in rows[1:]}


def _write_report(folder, report):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    writer.writerows((name, *entry) for name, entry in report.items())
    write_atomically(
        os.path.join(folder, REPORT), lambda file: file.write(text.getvalue().encode("utf-8"))
    )


def _known_landmarks(folder):
    path = os.path.join(folder, TABLE)
    return read_landmarks(path) if os.path.exists(path) else {}


def _counts(folder, names):
    table, report = _known_landmarks(folder), _read_report(folder)
    rows = [table[name.strip()] for name in names if name.strip() in table]
    none = sum(bool(np.isnan(row).any()) for row in rows)
    several = sum(name in report and report[name][0] not in ("", "0") for name in names)
    unread = len(names) - len(rows)
    return Counts(len(names), len(rows) - none, several, none, unread)
