"""Which way up a photograph is."""

import os
from typing import IO

from PIL import Image

from pipelines.faces.limits import MAX_PIXELS

ORIENTATION = 0x0112  # the EXIF tag
# Quarter turns to the left that set a stored image upright. Mirrored ones are not mirrored back: a
# mirrored face is a face, and no similarity transform could follow.
TURNS = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}


def upright_turns(path: str | os.PathLike | IO[bytes]) -> int:
    """Quarter turns to the left that set an image upright, as its EXIF data says; else 0.

    Args:
        path: the image, or a binary file.
    """
    try:
        # Only kinds that `decode` reads. Of a PNG, Pillow decodes all to come to the EXIF data.
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                return 0
            return TURNS.get(image.getexif().get(ORIENTATION, 0), 0)
    except Exception:  # many kinds; whether the file can be used is for others to find out
        return 0
