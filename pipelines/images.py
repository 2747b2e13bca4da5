"""Decoding the image files that collections of photographs are made of."""

import tensorflow as tf

# How the names of files that `decode` reads end.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


def decode(content):
    """Decodes an image file, known by what is in it, not by its name.

    Read are JPEG (grey, RGB, and CMYK as Adobe writes it), PNG, BMP with 8, 24 or 32 bits a pixel,
    the first frame of a GIF, and WebP without transparency where TensorFlow has it (2.21 does).
    Grey becomes three equal channels; of 16 bits the upper eight are kept; transparency is
    dropped, so that pixels have the colour they hide (in a GIF: black). An orientation in EXIF data
    is ignored: landmarks are those of the stored pixels.

    Args:
        content: scalar string tensor, the whole file.

    Returns:
        uint8 tensor (height, width, 3).

    Raises:
        tf.errors.OpError: if it is no such file, or broken; in a tf.data graph when it runs.
    """
    # Most images are JPEG: they are spared the questions that other files raise.
    image = tf.cond(tf.io.is_jpeg(content), lambda: _decode_jpeg(content), lambda: _decode(content))
    return tf.ensure_shape(image, (None, None, 3))


def _decode_jpeg(content):
    unclear = _refuse(
        _unclear_inks(content),
        "a CMYK JPEG without Adobe's mark, which may be a negative or not: save it as RGB",
    )
    with tf.control_dependencies([unclear]):
        return tf.io.decode_jpeg(content, channels=3)


def _decode(content):
    header = tf.cast(tf.io.decode_raw(content, tf.uint8, fixed_length=58), tf.int32)
    is_bmp = (header[0] == ord("B")) & (header[1] == ord("M"))
    # tf.io.decode_image takes every BMP's pixels for grey or BGR.
    rare = _refuse(
        is_bmp & ~_plain_bmp(header), "cut short, or a BMP file of a rare kind: save it as PNG"
    )
    with tf.control_dependencies([rare]):
        image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image = tf.ensure_shape(image, (None, None, 3))
    return tf.cond(
        is_bmp & (header[28] == 8),
        lambda: tf.gather(_bmp_palette(content, header), tf.cast(image[..., 0], tf.int32)),
        lambda: image,
    )


def _refuse(condition, reason):
    return tf.debugging.Assert(~condition, [reason])


def _plain_bmp(header):
    """Whether the pixels of a BMP file are numbers of a palette, BGR or BGRA."""
    bits, compression = header[28], header[30]
    red = tf.reduce_all(header[54:58] == [0, 0, 255, 0])  # the mask of red is the third byte
    return (
        (header[14] >= 40)  # 12 in OS/2's
        & ((bits == 8) | (bits == 24) | (bits == 32))
        & ((compression == 0) | ((compression == 3) & (bits == 32) & red))
    )


def _bmp_palette(content, header):
    """The colours of an 8-bit BMP file, uint8 (n, 3)."""
    start = 14 + _number(header[14:18])
    size = (_number(header[10:14]) - start) // 4 * 4
    palette = tf.io.decode_raw(tf.strings.substr(content, start, size), tf.uint8)
    return tf.reverse(tf.reshape(palette, (-1, 4))[:, :3], [1])


def _number(little_endian):
    """The number that four bytes make."""
    return tf.reduce_sum(little_endian * [1, 1 << 8, 1 << 16, 1 << 24])


def _unclear_inks(content):
    """Whether a JPEG file is of four inks and does not say if 255 is no ink or full ink.

    Adobe's programs write 255 for no ink and leave their mark; TensorFlow goes by the mark, other
    readers always take it so.
    """
    return tf.cond(
        tf.image.extract_jpeg_shape(content)[2] == 4,
        lambda: ~tf.strings.regex_full_match(content, r"\C*Adobe\C*"),
        lambda: tf.constant(False),
    )
