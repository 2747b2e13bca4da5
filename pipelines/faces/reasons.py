"""What is wrong with an image, out of the errors of TensorFlow's runtime."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

# What an assertion states: in a graph "assertion failed: [reason]", elsewhere "… Summarized data:
# b'reason'".
_STATED = re.compile(
    r"assertion failed: \[(?P<graph>.*?)\]|Summarized data: b(?P<quote>['\"])(?P<eager>.*?)(?P=quote)",
    re.DOTALL,
)
# Where in a graph it happened, which names operations and files.
_PLACE = re.compile(
    r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:[^\]]*\]|name: \S*$|Detected at node .*?\(most recent call last\):"
    r"|<stack traces unavailable>",
    re.DOTALL,
)
# What decoders say, and what it means.
_MEANINGS = (
    (r"Unknown image file format", "no JPEG, PNG, BMP, GIF or WebP file"),
    (r"Input is empty", "an empty file"),
    (r"JPEG", "a JPEG file that is damaged or cut short"),
    (r"PNG", "a PNG file that is damaged or cut short"),
    (r"GIF", "a GIF file that is damaged or cut short"),
    (r"WebP", "a WebP file that is damaged or cut short"),
    (r"BMP|header_size", "a BMP file that is damaged or cut short"),
)


def reason_of(
    error: tf.errors.OpError, otherwise: str = "no image file, or one that is damaged"
) -> str:
    """What an error of TensorFlow's runtime says is wrong with an image, in plain words.

    It is what our own assertions state, or what the messages of the decoders mean: never brackets,
    names of operations or places in a graph.

    Args:
        error: raised by decoding, by cutting out a face, or by a signature that does both.
        otherwise: said of an error of another kind.

    Returns:
        A part of a sentence, without a full stop.
    """
    stated = _STATED.search(error.message)
    if stated:
        reason = " ".join((stated["graph"] or stated["eager"] or "").split())
        return reason[:200].rstrip(".") or otherwise
    message = _PLACE.sub(" ", error.message)
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, message, re.IGNORECASE):
            return meaning
    return otherwise


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Context in which an image that cannot be read any more is an OSError that says why."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if not _STATED.search(error.message):
            raise  # not of an image
        raise OSError(f"An image cannot be read any more: {reason_of(error)}") from error
