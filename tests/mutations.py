"""Hostile image files: damaged ones of every kind, and such that claim to be huge."""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

from pipelines.sources.synthetic import SyntheticFaces

KINDS = ("JPEG", "PROGRESSIVE", "PNG", "BMP", "GIF", "WEBP", "LOSSLESS", "CMYK", "ANIMATED")
# Bytes and lengths with which damage does most.
TELLING = (0, 1, 2, 0x2C, 0x3B, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)


def files(size=64, faces=3):
    """Intact files of rendered faces: list of (kind, bytes)."""
    source = SyntheticFaces(identities=max(2, faces), images_per_identity=1, size=size)
    found = []
    for i in range(faces):
        picture = Image.fromarray(source.load(tf.constant(i))[0].numpy())
        for kind in KINDS:
            found.append((kind, encoded(picture, kind)))
    return found


def encoded(picture, kind):
    """A picture as a file of one of `KINDS`."""
    content = io.BytesIO()
    match kind:
        case "PROGRESSIVE":
            picture.save(content, "JPEG", progressive=True)
        case "CMYK":
            picture.convert("CMYK").save(content, "JPEG")
        case "LOSSLESS":
            picture.save(content, "WEBP", lossless=True)
        case "ANIMATED":
            frames = [picture.rotate(90 * k).quantize(64) for k in range(3)]
            frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
        case _:
            picture.save(content, kind)
    return content.getvalue()


def mutated(content, generator, others=()):
    """A file, damaged in one of several ways.

    Args:
        content: bytes.
        generator: `numpy.random.Generator`.
        others: other files, of which parts may get in.
    """
    data = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        way, at = generator.integers(7), int(generator.integers(max(1, len(data))))
        # Headers are where it matters: half of the time one is met.
        if generator.random() < 0.5:
            at = min(at, int(generator.integers(64)))
        length = int(generator.integers(1, 33))
        if not data:
            return bytes(generator.bytes(20))
        if way == 0:
            data[at] ^= 1 << int(generator.integers(8))
        elif way == 1:
            data[at] = int(generator.choice(TELLING))
        elif way == 2:
            data[at : at + length] = generator.bytes(length)
        elif way == 3:
            del data[at : at + length]
        elif way == 4:
            data[at:at] = data[at : at + length] * int(generator.integers(1, 5))
        elif way == 5 and generator.random() < 0.3:
            del data[at:]
        elif way == 6 and len(others):
            other = others[generator.integers(len(others))]
            start = int(generator.integers(len(other)))
            data[at : at + length] = other[start : start + length]
    # With right checksums half of the time, else a PNG's damage is never met by what unpacks it.
    return _checked(data) if data[:4] == b"\x89PNG" and generator.random() < 0.5 else bytes(data)


def _checked(png):
    """A PNG with the checksums that its chunks ought to have."""
    data, at = bytearray(png), 8
    while at + 12 <= len(data):
        end = at + 8 + struct.unpack(">I", data[at : at + 4])[0]
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def bombs(side=30_000):
    """Small files that claim, and some that have, side x side pixels: dict from name to bytes."""
    zeros = zlib.compressobj(9)
    rows = b"".join(zeros.compress(bytes(1 + side)) for _ in range(side)) + zeros.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
        for k, d in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )
    small = Image.new("RGB", (16, 16))
    jpeg = bytearray(encoded(small, "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", side, side)
    gif = bytearray(encoded(small.quantize(2), "GIF"))
    at = gif.index(b"\x2c", 13 + (3 << ((gif[10] & 7) + 1)))
    frame = bytes(gif[at:-1])
    many = bytes(gif[:at]) + _sized_frame(frame, 4000) * 14 + b";"
    gif[at:-1] = _sized_frame(frame, side)
    bmp = bytearray(encoded(small, "BMP"))
    bmp[18:26] = struct.pack("<ii", side, -side)
    webp = bytearray(encoded(small, "LOSSLESS"))
    bits = struct.unpack("<I", webp[21:25])[0] & ~((1 << 28) - 1)
    webp[21:25] = struct.pack("<I", bits | 16383 | 16383 << 14)
    lossy = bytearray(encoded(small, "WEBP"))
    lossy[26:30] = struct.pack("<HH", 16383, 16383)
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x7f\0" * 2
    extended = b"RIFF" + struct.pack("<I", len(canvas) + 4) + b"WEBP" + canvas
    found = {
        "PNG": png, "JPEG": jpeg, "GIF": gif, "GIF of many frames": many, "BMP": bmp,
        "WebP without loss": webp, "WebP": lossy, "extended WebP": extended,
    }  # fmt: skip
    return {name: bytes(content) for name, content in found.items()}


def _sized_frame(frame, side):
    return frame[:5] + struct.pack("<HH", side, side) + frame[9:]


def picture_or_reason(content, decode):
    """What `decode` makes of a file: its shape, or the error in one line; nothing else passes."""
    try:
        image = np.asarray(decode(content))
    except tf.errors.OpError as error:
        return " ".join(error.message.split())
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    return image.shape
