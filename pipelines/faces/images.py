"""Decoding the image files that collections of photographs are made of."""

import numpy as np
import tensorflow as tf

from pipelines.faces.limits import MAX_PIXELS
from pipelines.faces.parts import begins, png_part

# Frames of a GIF are decoded all, at a byte a pixel: together no more bytes than an image has.
_MAX_FRAMES = 3 * MAX_PIXELS
# Parts of a GIF looked at; ordinary ones have three or four a frame.
_MAX_STEPS = 20_000


def decode(content: tf.Tensor) -> tf.Tensor:
    """Decodes an image file, known by what is in it, not by its name.

    Read are JPEG (grey, RGB, and CMYK as Adobe writes it), PNG, BMP with 8, 24 or 32 bits a pixel,
    the first frame of a GIF, and still WebP where TensorFlow has it (2.21 does). Others are refused,
    also those that TensorFlow decodes (JPEG XL): how large they are is not known before. Grey
    becomes three equal channels; of 16 bits the upper eight are kept; what is transparent in a PNG
    or WebP is put on white (in a GIF it becomes black, and a BMP's is dropped). An orientation in
    EXIF data is ignored: landmarks are those of the stored pixels, and `orientation.upright` turns
    images without. Images of more than `MAX_PIXELS` are refused by what their header says, before
    they are decoded.

    Args:
        content: scalar string tensor, the whole file.

    Returns:
        uint8 tensor (height, width, 3).

    Raises:
        tf.errors.OpError: if it is no such file, or broken; in a tf.data graph when it runs.
    """
    # Its many nodes are made once a process, not in every graph; its errors are clear without one.
    other = _decode if tf.executing_eagerly() else _decode_in_graph
    # Most images are JPEG: they are spared the questions that other files raise.
    image = tf.cond(tf.io.is_jpeg(content), lambda: _decode_jpeg(content), lambda: other(content))
    return tf.ensure_shape(image, (None, None, 3))


@tf.function(autograph=False, input_signature=[tf.TensorSpec((), tf.string)])
def declared_pixels(content: tf.Tensor) -> tf.Tensor:
    """How many pixels the header of an image file declares, without decoding it.

    Args:
        content: scalar string tensor, the whole file.

    Returns:
        Scalar int64 tensor; 0 for a file of a kind that is not read, -1 for a damaged GIF.

    Raises:
        tf.errors.OpError: if it is a JPEG file whose header is damaged.
    """

    def jpeg():
        shape = tf.image.extract_jpeg_shape(content, output_type=tf.int64)
        return shape[0] * shape[1]

    def other():
        header = tf.cast(tf.io.decode_raw(content, tf.uint8, fixed_length=58), tf.int32)
        is_bmp = begins(header, b"BM")
        known = is_bmp | _is_webp(header)
        for magic in (b"\x89PNG", b"GIF8"):
            known |= begins(header, magic)
        nothing = tf.constant(0, tf.int64)
        return tf.cond(known, lambda: _pixels(content, header, is_bmp), lambda: nothing)

    return tf.cond(tf.io.is_jpeg(content), jpeg, other)


def _decode_jpeg(content):
    shape = tf.image.extract_jpeg_shape(content, output_type=tf.int64)
    unclear = refuse(
        _unclear_inks(content, shape),
        "a CMYK JPEG without Adobe's mark, which may be a negative or not: save it as RGB",
    )
    with tf.control_dependencies([unclear, _refuse_large(shape[0] * shape[1])]):
        return tf.io.decode_jpeg(content, channels=3)


def _decode(content):
    header = tf.cast(tf.io.decode_raw(content, tf.uint8, fixed_length=58), tf.int32)
    is_bmp = (header[0] == ord("B")) & (header[1] == ord("M"))
    # tf.io.decode_image takes every BMP's pixels for grey or BGR.
    rare = refuse(
        is_bmp & ~_plain_bmp(header), "cut short, or a BMP file of a rare kind: save it as PNG"
    )
    is_png, is_webp = begins(header, b"\x89PNG"), _is_webp(header)
    known = is_bmp | is_png | is_webp | begins(header, b"GIF8")
    unknown = refuse(~known, "no JPEG, PNG, BMP, GIF or WebP file")
    # TensorFlow 2.21 writes beyond the end of its memory when it reads one of three channels.
    animated = refuse(
        is_webp & begins(header, b"VP8X", 12) & (header[20] // 2 % 2 == 1),
        "an animated WebP file: save one picture of it",
    )
    with tf.control_dependencies([unknown, animated]):
        pixels = _pixels(content, header, is_bmp)
    damaged = refuse(pixels < 0, "a GIF file that is damaged or cut short")
    with tf.control_dependencies([rare, damaged, _refuse_large(pixels)]):
        image = tf.cond(
            _may_hide(content, header, is_png, is_webp),
            lambda: _on_white(_with_alpha(content, is_png)),
            lambda: tf.io.decode_image(content, channels=3, expand_animations=False),
        )
    image = tf.ensure_shape(image, (None, None, 3))
    return tf.cond(
        is_bmp & (header[28] == 8),
        lambda: tf.gather(_bmp_palette(content, header), tf.cast(image[..., 0], tf.int32)),
        lambda: image,
    )


def _may_hide(content, header, is_png, is_webp):
    """Whether a file may have something transparent that `_with_alpha` reads."""
    depth, colours = header[24], header[25]  # of a PNG
    # Of grey in less than 8 bits, TensorFlow takes the wrong ones for transparent.
    one_may_be = is_png & ((colours != 0) | (depth >= 8))
    return is_webp | tf.cond(
        one_may_be & (colours < 4),
        lambda: png_part(content, b"tRNS", before=b"IDAT") >= 0,
        lambda: one_may_be,
    )


def _with_alpha(content, is_png):
    """A PNG or WebP file, uint8 (height, width, 3 or 4)."""
    return tf.cond(
        is_png,
        lambda: tf.io.decode_png(content, channels=4),
        lambda: tf.io.decode_image(content, channels=0, expand_animations=False),
    )


def _on_white(image):
    """An image, uint8 (height, width, 3), of one whose fourth channel, if any, is its opacity."""

    def mixed():
        opacity = tf.cast(image[..., 3:], tf.uint16)
        mixed = tf.cast(image[..., :3], tf.uint16) * opacity + 255 * (255 - opacity)
        return tf.cast((mixed + 127) // 255, tf.uint8)  # at most 65,152

    return tf.cond(tf.shape(image)[2] == 4, mixed, lambda: image)


_decode_in_graph = tf.function(
    _decode, autograph=False, input_signature=[tf.TensorSpec((), tf.string)]
)


def _refuse_large(pixels):
    return refuse(
        pixels > MAX_PIXELS, f"more than {MAX_PIXELS / 1e6:.0f} million pixels: make it smaller"
    )


def _pixels(content, header, is_bmp):
    """Pixels that a file declares, int64; -1 for a damaged GIF.

    Args:
        content: scalar string tensor, a PNG, BMP, GIF or WebP file.
        header: int32 (58,), its first bytes, zeros behind its end.
        is_bmp: boolean tensor.
    """
    size = tf.cast(header, tf.int64)

    def number(begin, end, step=1):
        weights = 1 << (8 * np.arange(abs(end - begin), dtype=np.int64))
        return tf.reduce_sum(size[begin:end:step] * weights)

    def area(width, height):
        # Cut off at what is refused anyway: the product might be too large for int64.
        return tf.minimum(width, 1 << 31) * tf.minimum(height, 1 << 31)

    def png():  # the most significant byte first
        return area(number(19, 15, -1), number(23, 19, -1))

    def bmp():
        # A height below 0, in two's complement, says that the first row comes first.
        height = number(22, 26)
        height = tf.where(height >= 1 << 31, (1 << 32) - height, height)
        return area(number(18, 22), height)

    def webp():
        extended = (number(24, 27) + 1) * (number(27, 30) + 1)
        bits = number(21, 25)  # two sides of 14 bits each, less one
        lossless = (bits % (1 << 14) + 1) * (bits // (1 << 14) % (1 << 14) + 1)
        plain = number(26, 28) % (1 << 14) * (number(28, 30) % (1 << 14))
        kind = header[15]  # of "VP8X", "VP8L" and "VP8 "
        return tf.where(kind == ord("X"), extended, tf.where(kind == ord("L"), lossless, plain))

    return tf.case(
        [
            (is_bmp, bmp),
            (begins(header, b"\x89PNG"), png),
            (begins(header, b"GIF8"), lambda: _gif_pixels(content)),
        ],
        default=webp,
    )


def _is_webp(header):
    # Its first part says how large it is: one of these three.
    kinds = [begins(header, kind, 12) for kind in (b"VP8 ", b"VP8L", b"VP8X")]
    return begins(header, b"RIFF") & begins(header, b"WEBP", 8) & tf.reduce_any(kinds)


@tf.function(autograph=False, input_signature=[tf.TensorSpec((), tf.string)])
def _gif_pixels(content):
    """Pixels of the picture that a GIF becomes, int64; more than allowed if its frames are, -1 if
    it is damaged.

    The decoder reads all frames, of which each may be as large as it says, and makes the picture
    as large as the largest. So the file is gone through record by record. It must be one that is
    whole up to the last frame: what this did not understand, the decoder might.
    """
    data = tf.io.decode_raw(content, tf.uint8)
    end = tf.size(data, tf.int64)
    data = tf.cast(tf.pad(data, [[0, 16]]), tf.int64)

    def table(packed):
        """Bytes of the table of colours that packed bits announce."""
        size = 3 * tf.bitwise.left_shift(tf.ones_like(packed), packed % 8 + 1)
        return tf.where(packed >= 128, size, tf.zeros_like(packed))

    def step(at, in_data, frames, width, height, steps):
        def blocks():
            # Of equal lengths, as they nearly always are, thousands at a time.
            length = data[at]
            lengths = tf.reshape(data[at : at + 4096 * (length + 1) : length + 1], [-1])
            other = tf.concat([lengths != length, [True]], 0)
            count = tf.where(length > 0, tf.argmax(tf.cast(other, tf.int32)), 1)
            return at + count * (length + 1), length > 0, frames, width, height

        def record():
            is_frame, is_extension = data[at] == 0x2C, data[at] == 0x21
            after = tf.where(is_frame, at + 11 + table(data[at + 9]), at + 2)
            across, down = (data[at + k] + 256 * data[at + k + 1] for k in (5, 7))
            across, down = (tf.where(is_frame, side, 0) for side in (across, down))
            return (
                # What is unknown leads behind the end, as what is cut does.
                tf.where(is_frame | is_extension, after, end + 1),
                is_frame | is_extension,
                frames + across * down,
                tf.maximum(width, across),
                tf.maximum(height, down),
            )

        return (*tf.cond(in_data, blocks, record), steps + 1)

    def going(at, in_data, frames, width, height, steps):
        ended = ~in_data & (data[tf.minimum(at, end)] == 0x3B)
        return (at < end) & ~ended & (steps < _MAX_STEPS)

    zero = tf.constant(0, tf.int64)
    start = 13 + table(data[10])
    state = (start, tf.constant(False), zero, zero, zero, zero)
    at, in_data, frames, width, height, _ = tf.while_loop(going, step, state)
    whole = ~in_data & ((at == end) | (data[tf.minimum(at, end)] == 0x3B))
    pixels = tf.where(frames > _MAX_FRAMES, frames, width * height)
    return tf.where(whole, pixels, -1)


def refuse(condition: tf.Tensor, reason: str | tf.Tensor) -> tf.Operation | None:
    """Raises a `tf.errors.OpError` if a condition holds; `reason_of` finds the reason in it."""
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
    # Not a part of the string: errors of that show the file's bytes, which need not be text.
    palette = tf.io.decode_raw(content, tf.uint8)[start : start + size]
    return tf.reverse(tf.reshape(palette, (-1, 4))[:, :3], [1])


def _number(little_endian):
    """The number that four bytes make."""
    return tf.reduce_sum(little_endian * [1, 1 << 8, 1 << 16, 1 << 24])


def _unclear_inks(content, shape):
    """Whether a JPEG file is of four inks and does not say if 255 is no ink or full ink.

    Adobe's programs write 255 for no ink and leave their mark; TensorFlow goes by the mark, other
    readers always take it so.
    """
    return tf.cond(
        shape[2] == 4,
        lambda: ~tf.strings.regex_full_match(content, r"\C*Adobe\C*"),
        lambda: tf.constant(False),
    )
