"""Decoding image files with Pillow, for programs that start without TensorFlow."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.faces.limits import MAX_PIXELS

# Kinds that are read, as Pillow calls them.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")


# What transparent pixels of a kind are put on.
_GROUNDS = {"PNG": 255, "WEBP": 255, "GIF": 0}


class NoImage(ValueError):
    """Content that is no image that can be used; the message says why, without a full stop."""


def decode_array(content: bytes) -> NDArray[np.uint8]:
    """Decodes an image file, known by what is in it, as `pipelines.faces.images.decode` does.

    Read are JPEG, PNG, BMP, WebP, and the first frame of a GIF. Grey becomes three equal channels; of
    16 bits the upper eight are kept; what is transparent in a PNG or WebP is put on white, in a GIF on
    black, a BMP's is dropped. An orientation in EXIF data is ignored. Files without loss give the same pixels; of a JPEG they
    differ by a grey level on average and 10 at most, as TensorFlow takes libjpeg's fast cosine transform
    and Pillow the accurate one. That leaves the cosine of a face's features above 0.999, where the
    landmarks are the same (tests/test_arrays.py).

    Args:
        content: the whole file.

    Returns:
        uint8 array (height, width, 3).

    Raises:
        NoImage: if it is no such file, is broken, or has more than `MAX_PIXELS`, which is known
            before it is decoded.
    """
    if not content:
        raise NoImage("an empty file")
    kind = "no JPEG, PNG, BMP, GIF or WebP file, or one"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit below
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        kind = f"a {image.format} file"
        _refuse(image)
        return np.asarray(_in_colour(image))
    except NoImage:
        raise
    except Image.DecompressionBombError:
        raise NoImage(TOO_LARGE) from None
    except MemoryError:
        raise NoImage("there is not enough memory for it") from None
    except Exception:  # Pillow raises all kinds for broken files
        raise NoImage(f"{kind} that is damaged or cut short") from None


TOO_LARGE = f"more than {MAX_PIXELS / 1e6:.0f} million pixels: make it smaller"


def _refuse(image):
    """Raises NoImage for an image whose header says that it cannot be used."""
    if image.width * image.height > MAX_PIXELS:
        raise NoImage(TOO_LARGE)
    if image.format == "WEBP" and getattr(image, "n_frames", 1) > 1:
        raise NoImage("an animated WebP file: save one picture of it")
    if image.mode == "CMYK" and "adobe" not in image.info:
        raise NoImage(
            "a CMYK JPEG without Adobe's mark, which may be a negative or not: save it as RGB"
        )


def _in_colour(image):
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.uint16) >> 8
        image = Image.fromarray(grey.astype(np.uint8))
    ground = _GROUNDS.get(image.format)
    if ground is None or not image.has_transparency_data:
        return image.convert("RGB")
    mixed = np.asarray(image.convert("RGBA")).astype(np.uint16)
    opacity = mixed[..., 3:]
    mixed = (mixed[..., :3] * opacity + ground * (255 - opacity) + 127) // 255  # at most 65,152
    return Image.fromarray(mixed.astype(np.uint8))
