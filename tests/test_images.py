"""Decoding every kind of image file, against what Pillow reads."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.faces.images import decode
from pipelines.inspection.checking import check_images
from pipelines.sources.folder import FolderFaces

HEIGHT, WIDTH = 24, 30
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH]
RGB = np.stack([X * 8, Y * 10, 255 - X * 4 - Y * 4], -1).astype(np.uint8)
PICTURE = Image.fromarray(RGB)
GREY = PICTURE.convert("L")
PALETTE = PICTURE.quantize(50)
MASK = Image.fromarray((Y * 10).astype(np.uint8))
# Black ink only in places, so that an inverted one shows.
INKS = Image.fromarray(np.concatenate([RGB, (Y * 5)[..., None].astype(np.uint8)], -1), "CMYK")
TURNED = PICTURE.transpose(Image.Transpose.ROTATE_180)
HAS_WEBP = hasattr(tf.image, "decode_webp")


def file(picture, kind, **settings):
    content = io.BytesIO()
    picture.save(content, kind, **settings)
    return content.getvalue()


def with_alpha(picture):
    picture = picture.copy()
    picture.putalpha(MASK)
    return picture


def bmp(header, pixels, size=None):
    """A BMP file of an information header and what follows it."""
    start = 14 + len(header) if size is None else size
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + header + pixels


def bmp_header(bits, compression, tail=b""):
    return struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, compression, 0, 0, 0, 0, 0) + tail


def bmp_masks(red, green, blue):
    rgba = np.concatenate([RGB[::-1], np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], -1)
    order = np.argsort([red, green, blue, 0xFF000000])
    masks = struct.pack("<III", red, green, blue)
    return bmp(bmp_header(32, 3, masks), rgba[..., order].tobytes())


def top_down():
    content = bytearray(file(PICTURE, "BMP"))
    content[22:26] = struct.pack("<i", -HEIGHT)
    return bytes(content)


def without_adobe(jpeg):
    start = jpeg.index(b"\xff\xee")
    length = struct.unpack(">H", jpeg[start + 2 : start + 4])[0]
    return jpeg[:start] + jpeg[start + 2 + length :]


def animated(picture):
    return file(picture, "WEBP", lossless=True, save_all=True, append_images=[TURNED])


JPEG = file(PICTURE, "JPEG", quality=95)
PROGRESSIVE = file(PICTURE, "JPEG", quality=95, progressive=True)
CMYK = file(INKS, "JPEG", quality=95)
PNG = file(PICTURE, "PNG")
GIF = file(PALETTE, "GIF")
ANIMATED = file(PALETTE, "GIF", save_all=True, append_images=[TURNED.quantize(50)])
BMP = file(PICTURE, "BMP")

# Read as Pillow reads them.
EXACT = {
    "png": PNG,
    "png grey": file(GREY, "PNG"),
    "png black and white": file(PICTURE.convert("1"), "PNG"),
    "png grey with alpha": file(with_alpha(GREY), "PNG"),
    "png with alpha": file(with_alpha(PICTURE), "PNG"),
    "png palette": file(PALETTE, "PNG"),
    "png palette with a transparent colour": file(PALETTE, "PNG", transparency=3),
    "png with a transparent colour": file(PICTURE, "PNG", transparency=(80, 100, 175)),
    "png grey with a transparent colour": file(GREY, "PNG", transparency=100),
    "png palette of 4 bits, one transparent": file(
        PICTURE.quantize(10), "PNG", bits=4, transparency=2
    ),
    "png palette of 4 bits": file(PICTURE.quantize(10), "PNG", bits=4),
    "gif": GIF,
    "gif of two frames": ANIMATED,
    "bmp": BMP,
    "bmp grey": file(GREY, "BMP"),
    "bmp palette": file(PALETTE, "BMP"),
    "bmp from the top": top_down(),
    "bmp with alpha": file(with_alpha(PICTURE), "BMP"),
}
# Read as Pillow reads them, up to the rounding of two decoders.
CLOSE = {
    "jpeg": JPEG,
    "jpeg progressive": PROGRESSIVE,
    "jpeg grey": file(GREY, "JPEG", quality=95),
    "jpeg with halved colours": file(PICTURE, "JPEG", quality=95, subsampling="4:2:0"),
    "jpeg inks": CMYK,
    "jpeg inks, no black": file(PICTURE.convert("CMYK"), "JPEG", quality=95),
}
KINDS = "no JPEG, PNG, BMP, GIF or WebP file"
# 15,000 x 15,000 pixels say its first bytes; TensorFlow 2.21 would decode such a file.
JPEG_XL = bytes.fromhex("ff0afacafc0c") + bytes(60)
REFUSED = {
    "empty": (b"", KINDS),
    "text": (b"This is no image.", KINDS),
    "tiff": (file(PICTURE, "TIFF"), KINDS),
    "avif or heic": (b"\0\0\0\x1cftypavif" + bytes(40), KINDS),
    "jpeg xl": (JPEG_XL, KINDS),
    "jpeg xl in a box": (b"\0\0\0\x0cJXL \r\n\x87\n" + JPEG_XL, KINDS),
    "webp, animated": (animated(PICTURE), "an animated WebP file: save one picture of it"),
    "webp, animated, with alpha": (animated(with_alpha(PICTURE)), "an animated WebP file"),
    "another riff": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), KINDS),
    "webp of an unknown part": (b"RIFF\x24\0\0\0WEBPVP8Z" + bytes(40), KINDS),
    "jpeg, half": (JPEG[: len(JPEG) // 2], "JPEG"),
    "jpeg, most": (JPEG[:-20], "JPEG"),
    "jpeg, head": (JPEG[:12], "JPEG"),
    "progressive jpeg, half": (PROGRESSIVE[: len(PROGRESSIVE) // 2], "JPEG"),
    "png, half": (PNG[: len(PNG) // 2], "PNG"),
    "png, head": (PNG[:12], "PNG"),
    "gif, half": (GIF[: len(GIF) // 2], "GIF"),
    "gif, head": (GIF[:8], "GIF"),
    "bmp, half": (BMP[: len(BMP) // 2], "a BMP file that is damaged or cut short"),
    "bmp, head": (BMP[:12], "cut short, or a BMP file of a rare kind"),
    "jpeg inks without Adobe's mark": (without_adobe(CMYK), "a CMYK JPEG without Adobe's mark"),
    "bmp black and white": (file(PICTURE.convert("1"), "BMP"), "a BMP file of a rare kind"),
    "bmp of 16 bits": (bmp(bmp_header(16, 0), bytes(HEIGHT * 60)), "a BMP file of a rare kind"),
    "bmp of OS/2": (
        bmp(struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24), BMP[54:]),
        "a BMP file of a rare kind",
    ),
    "bmp run lengths": (bmp(bmp_header(8, 1), bytes(2000)), "a BMP file of a rare kind"),
    "bmp red first": (bmp_masks(0xFF, 0xFF00, 0xFF0000), "a BMP file of a rare kind"),
}


def pillow(content):
    """What Pillow reads; what is transparent in a PNG or WebP is put on white."""
    image = Image.open(io.BytesIO(content))
    if image.format in ("PNG", "WEBP") and image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA")).astype(int)
        opacity = pixels[..., 3:]
        return (pixels[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def decoded():
    """All files that can be read, decoded in one tf.data graph."""
    files = {**EXACT, **CLOSE}
    images = tf.data.Dataset.from_tensor_slices(list(files.values())).map(decode)
    return dict(zip(files, images.as_numpy_iterator(), strict=True))


@pytest.mark.parametrize("name", EXACT)
def test_exact(decoded, name):
    assert decoded[name].dtype == np.uint8
    np.testing.assert_array_equal(decoded[name], pillow(EXACT[name]))


@pytest.mark.parametrize("name", CLOSE)
def test_close(decoded, name):
    np.testing.assert_allclose(decoded[name], pillow(CLOSE[name]), atol=6)


def test_the_pictures_could_tell():
    """The tests above would notice a channel taken for another, or an inverted one."""
    for name in ("png", "bmp palette", "jpeg", "jpeg inks"):
        pixels = pillow({**EXACT, **CLOSE}[name])
        assert np.abs(pixels - pixels[..., ::-1]).max() > 50, name
        assert np.abs(pixels - (255 - pixels)).max() > 50, name


def test_what_is_transparent_is_white():
    """Also where the colour that it hides is black, as most programs write it."""
    hidden = Image.new("RGBA", (WIDTH, HEIGHT))
    hidden.paste(PICTURE.convert("RGBA").crop((0, 0, 10, HEIGHT)))
    for kind in ("PNG", "WEBP")[: 1 + HAS_WEBP]:
        image = decode(file(hidden, kind, lossless=True)).numpy()
        np.testing.assert_array_equal(image[:, 10:], 255)
        np.testing.assert_array_equal(image[:, :10], RGB[:, :10])


def test_upper_half_of_16_bits():
    grey = (X * 2000 + Y * 300).astype(np.uint16)
    png = file(Image.fromarray(grey), "PNG")
    np.testing.assert_array_equal(decode(png), np.repeat(grey[..., None] >> 8, 3, -1))
    rgb = np.stack([X * 2000, Y * 2000, 65535 - X * 700], -1).astype(np.uint16)
    np.testing.assert_array_equal(decode(tf.io.encode_png(rgb)), rgb >> 8)


def test_transparent_pixels_of_a_gif_are_black():
    hidden = np.asarray(PALETTE) == 3
    image = decode(file(PALETTE, "GIF", transparency=3)).numpy()
    np.testing.assert_array_equal(image, np.where(hidden[..., None], 0, pillow(GIF)))
    assert hidden.any()


def test_bmp_with_masks_in_its_own_order():
    np.testing.assert_array_equal(decode(bmp_masks(0xFF0000, 0xFF00, 0xFF)), RGB)


def test_a_cut_second_frame_leaves_the_first():
    """Or the file is refused: never half a frame."""
    try:
        image = decode(ANIMATED[: len(GIF) + 40]).numpy()
    except tf.errors.InvalidArgumentError:
        return
    np.testing.assert_array_equal(image, pillow(GIF))


def test_webp_as_pillow_reads_it_or_not_at_all():
    files = {
        "lossless": file(PICTURE, "WEBP", lossless=True),
        "lossy": file(PICTURE, "WEBP", quality=90),
        "alpha": file(with_alpha(PICTURE), "WEBP", lossless=True, exact=True),
        "opaque": file(PICTURE.convert("RGBA"), "WEBP", lossless=True),
    }
    for name, content in files.items():
        try:
            image = decode(content)
        except tf.errors.InvalidArgumentError:
            assert not HAS_WEBP
        else:
            np.testing.assert_allclose(image, pillow(content), atol=1)


def test_whatever_cannot_be_read_is_named_with_one_clear_line(tmp_path):
    (tmp_path / "faces/ann lee ñ").mkdir(parents=True)
    for name, (content, _) in REFUSED.items():
        # With a wrong ending: what counts is what is in the file.
        (tmp_path / f"faces/ann lee ñ/{name.replace('/', '')} ü.png").write_bytes(content)
    (tmp_path / "faces/ann lee ñ/zz good.jpg").write_bytes(PNG)
    faces = FolderFaces(tmp_path / "faces")
    checked = check_images(faces, tmp_path / "bad.txt", limit=1, progress=False)
    assert [checked.name(i) for i in range(len(checked))] == ["ann lee ñ/zz good.jpg"]
    np.testing.assert_array_equal(checked.load(0)[0], RGB)
    lines = (tmp_path / "bad.txt").read_text(encoding="utf-8").splitlines()
    reasons = dict(line.split("\t") for line in lines)
    for name, (_, reason) in REFUSED.items():
        assert reason in reasons.pop(f"ann lee ñ/{name.replace('/', '')} ü.png"), name
    assert not reasons
