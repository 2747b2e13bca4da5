"""A contact sheet of photographs with their landmarks, next to what alignment makes of them."""

import os

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from pipelines.detection.letterbox import from_stored, letterbox
from pipelines.detection.orientation import upright_turns
from pipelines.drawing.contact_sheet import contact_sheet
from pipelines.faces.alignment import similarity, template
from pipelines.faces.cropping import crop_region
from pipelines.faces.images import decode
from pipelines.faces.landmarks import read_landmarks
from pipelines.faces.names import Names
from pipelines.faces.regions import WHOLE_FACE
from pipelines.sources.folder import FolderFaces

HEIGHT, WIDTH = WHOLE_FACE.height, WHOLE_FACE.width
SIZE = 224  # pixels of the square that a photograph is fitted into
PAIRS = 4  # photographs side by side
# The viewer's left is blue and the right red: changed over, it shows.
COLOURS = ("deepskyblue", "red", "yellow", "deepskyblue", "red")


def alignment_sheet(
    folder: str | os.PathLike, path: str | os.PathLike, *, photographs: int = 24
) -> int:
    """Draws photographs, spread evenly over those with landmarks, next to their aligned crops.

    On a photograph stand its landmarks and the outline of the crop.

    Args:
        folder: folder of photographs with a landmarks.csv.
        path: the PNG to write.
        photographs: how many, at most.

    Returns:
        How many were drawn; with none, nothing is written.

    Raises:
        FileNotFoundError: if there is no such folder or table.
        ValueError: if there is no image in it, or the table is malformed.
        OSError: if the file cannot be written.
    """
    source = FolderFaces(folder, landmarks=None)
    table = read_landmarks(os.path.join(source.path, "landmarks.csv"))
    rows, values = Names([*table]), [*table.values()]
    row_of = [rows.find(source.name(i)) for i in range(len(source))]
    known = [i for i, row in enumerate(row_of) if row >= 0 and np.isfinite(values[row]).all()]
    at = np.linspace(0, len(known) - 1, min(photographs, len(known))).round().astype(int)
    images, captions = [], []
    for i in (known[k] for k in at):
        name = source.name(i)
        try:
            image = decode(source.content(tf.constant(i, tf.int64)))  # as it is stored
        except tf.errors.OpError:  # a row of a file that cannot be read
            continue
        turns = upright_turns(os.path.join(source.path, name))
        landmarks = values[row_of[i]]
        crop = crop_region(image, landmarks, WHOLE_FACE)
        crop = tf.cast(tf.round(tf.clip_by_value(crop, 0.0, 255.0)), tf.uint8).numpy()
        images += [_marked(image, landmarks, turns), crop.repeat(2, 0).repeat(2, 1)]
        captions += name.split("/", 1)
    if not images:
        return 0
    columns = min(2 * PAIRS, len(images))
    contact_sheet(
        [images[k : k + columns] for k in range(0, len(images), columns)],
        ["photograph", "aligned, twice as large"] * (columns // 2),
        path,
        captions=[captions[k : k + columns] for k in range(0, len(captions), columns)],
    )
    return len(images) // 2


def _marked(image, landmarks, turns):
    """A photograph, fitted, with landmarks and the outline of the crop; uint8 (SIZE, SIZE, 3)."""
    height, width = image.shape[:2]

    def place(points):
        return from_stored(points, height, width, SIZE, turns)

    a, b = (number.numpy() for number in similarity(landmarks, template(HEIGHT, WIDTH)))
    corners = np.array([0, WIDTH, WIDTH + 1j * HEIGHT, 1j * HEIGHT, 0]) - (0.5 + 0.5j)
    corners = (corners - b) / a
    corners = place(np.stack([corners.real, corners.imag], -1))

    marked = Image.fromarray(letterbox(image, SIZE, turns).numpy())
    draw = ImageDraw.Draw(marked)
    draw.line([tuple(corner) for corner in corners], fill="lime", width=2)
    for point, colour in zip(place(landmarks), COLOURS):
        draw.circle(tuple(point), 2.5, fill=colour, outline="black")
    return np.asarray(marked)
