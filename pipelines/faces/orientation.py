"""Which way up a photograph is, by its EXIF data."""

import tensorflow as tf

from pipelines.faces.parts import begins, bytes_at, jpeg_part, number, png_part, webp_part

# Bytes of a file in which EXIF data begin, if there are any: what stands before them is small.
_LOOKED_AT = 1 << 18
_ORIENTATION, _SHORT = 0x0112, 3  # tag and type, of TIFF 6.0
# Quarter turns to the left that set a stored image upright, by the tag's value. Mirrored ones are
# not mirrored back: a mirrored face is a face.
_TURNS = (0, 0, 0, 2, 2, 3, 3, 1, 1)


def upright(image: tf.Tensor, content: tf.Tensor, where: bool | tf.Tensor = True) -> tf.Tensor:
    """Sets an image upright as the EXIF data of its file says; runs in a tf.data graph as well.

    Args:
        image: uint8 tensor (height, width, 3), as `images.decode` reads it.
        content: scalar string tensor, its file.
        where: boolean scalar; whether it may be turned at all.

    Returns:
        uint8 tensor (height, width, 3), or (width, height, 3).
    """
    may = tf.logical_and(where, _may_say(content))
    turned = tf.cond(may, lambda: tf.image.rot90(image, _said(content)), lambda: image)
    return tf.ensure_shape(turned, (None, None, 3))


def quarter_turns(content: tf.Tensor) -> tf.Tensor:
    """Quarter turns to the left that set an image upright; runs in a tf.data graph as well.

    Args:
        content: scalar string tensor, a file of any kind; JPEG, PNG and WebP have EXIF data.

    Returns:
        int32 scalar, 0 to 3; 0 where nothing is said, or what is said is damaged.
    """
    return tf.cond(_may_say(content), lambda: _said(content), lambda: tf.constant(0))


def _may_say(content):
    """Whether a file may have EXIF data: most of data sets have none, and are spared the search."""
    start = tf.strings.substr(content, 0, _LOOKED_AT)
    return tf.strings.regex_full_match(start, r"\C*(?:Exif|eXIf|WEBPVP8X)\C*")


@tf.function(autograph=False, input_signature=[tf.TensorSpec((), tf.string)])
def _said(content):
    return _turns_at(content, _exif(content))


def _exif(content):
    """Where a file's EXIF data begin, as the TIFF file that they are, int32; -1 without."""
    head = bytes_at(content, tf.constant(0), 16)

    def webp():
        at = webp_part(content, b"EXIF")
        prefixed = begins(bytes_at(content, tf.maximum(at, 0), 6), b"Exif\0\0")
        return tf.where((at >= 0) & prefixed, at + 6, at)

    return tf.case(
        [
            (begins(head, b"\xff\xd8"), lambda: jpeg_part(content, 0xE1, b"Exif\0\0")),
            (begins(head, b"\x89PNG"), lambda: png_part(content, b"eXIf")),
            (begins(head, b"RIFF") & begins(head, b"WEBPVP8X", 8), webp),
        ],
        default=lambda: tf.constant(-1),
    )


def _turns_at(content, at):
    """The turns of the first directory of a TIFF file at some place in a file; 0 at -1."""
    head = bytes_at(content, tf.maximum(at, 0), 8)
    big = head[0] == ord("M")
    start = at + tf.minimum(number(head[4:], big), tf.strings.length(content))
    count = number(bytes_at(content, start, 2), big)
    first = tf.minimum(start + 2, tf.strings.length(content))
    entries = tf.io.decode_raw(tf.strings.substr(content, first, 12 * count), tf.uint8)
    entries = entries[: tf.size(entries) // 12 * 12]
    entries = tf.cast(tf.reshape(entries, (-1, 12)), tf.int32)
    high, low = tf.where(big, 0, 1), tf.where(big, 1, 0)

    def field(k):
        return 256 * tf.gather(entries, k + high, axis=1) + tf.gather(entries, k + low, axis=1)

    wanted = (field(0) == _ORIENTATION) & (field(2) == _SHORT)
    value = tf.boolean_mask(field(8), wanted)[:1]
    value = tf.reduce_sum(tf.where(value < len(_TURNS), value, 0))
    return tf.where(at < 0, 0, tf.gather(tf.constant(_TURNS), value))
