"""A photograph with boxes around the faces and what is known of them."""

import math
import os

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipelines.files import write_atomically
from sparseface_tf.recognition.search import NAMED, PROBABLY, UNKNOWN

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
COLOURS = {NAMED: (0, 130, 60), PROBABLY: (165, 100, 0), UNKNOWN: (190, 50, 30)}
WHITE = (255, 255, 255)
# Pixels of the longer and of the shorter side that a small photograph is enlarged to, so that there
# is room for letters; but to no more pixels than this.
ROOM, LEAST_ROOM = 640, 160
MOST = 1 << 24
# Height of letters, of the longer side and, in a flat picture, of the shorter.
LETTER, FLAT_LETTER = 1 / 40, 1 / 12


def annotated(image, faces, texts, grades):
    """Draws what is known of the faces in a photograph.

    Args:
        image: uint8 array (height, width, 3).
        faces: list of `pipelines.detection.Face`.
        texts: list of strings, one a face, of any letters that DejaVu Sans has.
        grades: list of `NAMED`, `PROBABLY` or `UNKNOWN`, one a face: the colour.

    Returns:
        A Pillow image: the photograph, enlarged by a whole number if it is small.
    """
    height, width = image.shape[:2]
    factor = max(-(-ROOM // max(height, width)), -(-LEAST_ROOM // min(height, width)))
    factor = max(1, min(factor, math.isqrt(MOST // (height * width))))
    picture = Image.fromarray(image).resize((width * factor, height * factor), Image.LANCZOS)
    draw = ImageDraw.Draw(picture)
    size = max(12, round(min(LETTER * max(picture.size), FLAT_LETTER * min(picture.size))))
    # A font that is there wherever Matplotlib is, with more letters than Pillow's own.
    path = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    font = ImageFont.truetype(path, size)
    line = max(2, size // 8)
    boxes = [[float((side + 0.5) * factor) for side in face.box] for face in faces]
    colours = [COLOURS[grade] for grade in grades]
    for box, colour in zip(boxes, colours):
        draw.rectangle(box, outline=WHITE, width=2 * line)
        draw.rectangle(box, outline=colour, width=line)
    taken = []
    # Over the boxes, so that none crosses letters.
    for box, text, colour in zip(boxes, texts, colours):
        text = _fitting(draw, font, text, picture.width - 2 * line)
        place = _place(box, _size(draw, font, text, line), picture.size, taken)
        taken.append(place)
        draw.rectangle(place, fill=colour)
        draw.text((place[0] + line, place[1] + line), text, fill=WHITE, font=font, anchor="la")
    return picture


def side_by_side(pictures):
    """Pictures in a row, each as high as the lowest."""
    height = min(picture.height for picture in pictures)
    pictures = [
        picture.resize((max(1, round(picture.width * height / picture.height)), height))
        for picture in pictures
    ]
    return Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures], axis=1))


def check_picture_path(path, photos):
    """Refuses a file that a picture cannot be written to.

    Args:
        path: the file.
        photos: paths of the photographs, which stay as they are.

    Raises:
        ValueError, OSError: in one line.
    """
    if os.path.splitext(path)[1].lower() not in FORMATS:
        raise ValueError(f"--save={path}: give a name that ends in {', '.join(FORMATS)}.")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"--save={path}: there is no folder {folder}.")
    if os.path.isdir(path):
        raise ValueError(f"--save={path} is a folder: give a file.")
    for photo in photos:
        if os.path.exists(path) and os.path.exists(photo) and os.path.samefile(path, photo):
            raise ValueError(f"--save={path} is the photograph itself: give another file.")


def write_picture(path, picture):
    """Writes a picture, atomically, in the format that the name of the file says."""
    kind = FORMATS[os.path.splitext(path)[1].lower()]
    write_atomically(path, lambda file: picture.save(file, format=kind, quality=92))


def _size(draw, font, text, line):
    ascent, descent = font.getmetrics()
    return draw.textlength(text, font=font) + 2 * line, ascent + descent + 2 * line


def _fitting(draw, font, text, width):
    """A text that is no wider, its end left out if need be."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"


def _place(box, size, picture, taken):
    """Where a label goes: above its box or below, in the picture, not over another if possible."""
    left = min(max(box[0], 0), max(picture[0] - size[0], 0))
    tops = [box[1] - size[1], box[3], box[1], box[3] - size[1]]
    tops += [box[1] - k * size[1] for k in range(2, 6)] + [box[3] + k * size[1] for k in range(1, 5)]
    tops = [min(max(top, 0), max(picture[1] - size[1], 0)) for top in tops]
    places = [(left, top, left + size[0], top + size[1]) for top in tops]
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))


def _overlap(a, b):
    across, down = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    return max(across, 0) * max(down, 0)
