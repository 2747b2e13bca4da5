"""Photographs in the containers TIFF, HEIF and AVIF: those of scanners and of telephones."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, features

from pipelines.faces.images import MAX_PIXELS

TILEWIDTH, TILELENGTH = 322, 323  # tags of TIFF 6.0, section 15

# The brand of an ISO base media file, ISO/IEC 14496-12, 4.3, stands behind its first "ftyp".
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc"), "HEIF"),
}


def container_of(content: bytes) -> str | None:
    """The container that a file is, known by how it begins.

    Args:
        content: the file, or its first bytes.

    Returns:
        "TIFF", "HEIF" or "AVIF"; None if it is none of these.
    """
    if content[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    if content[4:8] != b"ftyp":
        return None
    kind = _BRANDS.get(content[8:12])
    # mif1 says only that it is HEIF of some coding; which one, the brands behind it say.
    if kind == "HEIF" and content[8:12] == b"mif1" and b"avif" in content[16:64]:
        return "AVIF"
    return kind


def decode_container(content: bytes) -> NDArray[np.uint8]:
    """Decodes the first image of such a file, and turns it upright as the file says.

    Transparency is dropped. How large the image is is known before it is decoded.

    Args:
        content: the whole file, for which `container_of` gives a name.

    Returns:
        uint8 array (height, width, 3).

    Raises:
        ValueError: if it is broken, has more than `pipelines.faces.images.MAX_PIXELS`, or the
            package that decodes it is missing; without a full stop.
    """
    kind = container_of(content)
    if kind is None:
        raise ValueError("not a TIFF, HEIF or AVIF file")
    _check_decoder(kind)
    too_large = f"more than {MAX_PIXELS / 1e6:.0f} million pixels: make it smaller"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, for which there is a limit below
            image = Image.open(io.BytesIO(content), formats=(kind,))
            if max(image.width * image.height, _tile(image)) <= MAX_PIXELS:
                ImageOps.exif_transpose(image, in_place=True)
                return np.asarray(_in_colour(image))
    except Image.DecompressionBombError:
        pass
    except MemoryError:
        raise ValueError("there is not enough memory for it") from None
    except Exception as error:  # decoders raise all kinds for broken files
        raise ValueError(f"a {kind} file that is broken or of a rare kind: {_line(error)}") from None
    raise ValueError(too_large)


def _check_decoder(kind):
    if kind == "HEIF":
        try:
            import pillow_heif  # noqa: PLC0415 - a package of an extra that training does without
        except ModuleNotFoundError as error:
            raise ValueError(
                f"a HEIC file, and the package {error.name} is missing: pip install "
                "'sparseface_tf[recognize]'"
            ) from None
        pillow_heif.register_heif_opener(thumbnails=False)
    if kind == "AVIF" and not features.check("avif"):
        raise ValueError("an AVIF file, for which Pillow 11.3 or later is needed")


def _tile(image):
    """Pixels of a tile of a TIFF file, which is decoded whole however small the image is."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(TILEWIDTH, 0)) * int(tags.get(TILELENGTH, 0))


def _in_colour(image):
    """RGB of an image; the upper eight bits of grey of sixteen."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8
        image = Image.fromarray(grey.astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def _line(error):
    """What an error says, in one short line without the names of objects."""
    text = " ".join(str(error).split()).partition(" <")[0]
    return text[:160].rstrip(".") or type(error).__name__
