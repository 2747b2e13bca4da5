"""Faces cut out of an image with NumPy alone.

Programs that look at a few photographs do without TensorFlow, which takes seconds and hundreds of
megabytes to start. What is computed is that of `alignment`, `cropping` and `sampling`: crops agree to
0.05 of 255 grey levels (tests/test_arrays.py).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.faces.frame import FRAME, TEMPLATE, centre_of, middle, step_of
from pipelines.faces.regions import Region
from pipelines.faces.resizing import resized

# Below this scale the source is reduced before it is sampled bilinearly, which would otherwise
# skip pixels.
PREFILTER_BELOW = 0.6
# Of red, green and blue in grey, as `tf.image.rgb_to_grayscale` has it.
GREY = (0.2989, 0.5870, 0.1140)


def crop_region(
    image: NDArray[np.uint8], landmarks: ArrayLike, region: Region, *, mirrored: bool = False
) -> NDArray[np.float32]:
    """Cuts a region out of an image, as `pipelines.faces.cropping.crop_region` does.

    Args:
        image: uint8 array (h, w, 3).
        landmarks: real array (5, 2), x and y in pixels, integers at the centres of pixels; not
            known where any is NaN.
        region: a `Region`.
        mirrored: whether to give the region of the mirrored face.

    Returns:
        float32 array (region.height, region.width, region.channels), 0 … 255.
    """
    c, d, points = face_frame(landmarks, image.shape[:2])
    weights, offset = centre_of(region.mirrored() if mirrored else region)
    centre = weights @ np.append(points, d) + c * offset
    step = c * step_of(region)
    start = centre - step * middle(region.height, region.width)
    crop = _sampled(image, step, start, region.height, region.width, mirrored)
    if region.channels == 1:
        crop = crop @ np.array(GREY, np.float32)[:, None]
    return crop


def face_frame(
    landmarks: ArrayLike, size: tuple[int, int]
) -> tuple[complex, complex, NDArray[np.complex128]]:
    """Where a face is in its image, as `pipelines.faces.alignment.face_frame` finds it.

    Args:
        landmarks: real array (5, 2), x and y in pixels; not known where any is NaN.
        size: height and width of the image in pixels.

    Returns:
        c, d: point z = x + iy of the frame is point c z + d of the image.
        points: complex128 array (5,), the landmarks in the image.
    """
    target = _complex(TEMPLATE)
    points = _complex(landmarks)
    s, t = points - points.mean(), target - target.mean()
    with np.errstate(all="ignore"):  # landmarks that are not known, or all in one point
        a = np.vdot(s, t) / np.vdot(s, s)
        c, d = 1 / a, -(target.mean() - a * points.mean()) / a
    if np.isfinite(abs(c) + abs(d)):
        return c, d, points
    # A face that fills the image.
    step = min(size[0] / FRAME[0], size[1] / FRAME[1])
    y, x = ((side - step * own) / 2 + step / 2 - 0.5 for side, own in zip(size, FRAME))
    return step, complex(x, y), step * target + complex(x, y)


def bilinear(
    image: NDArray[np.floating], x: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Samples an image bilinearly; it is 0 where it has no pixels.

    Args:
        image: float array (h, w, channels).
        x, y: float arrays of one shape, in pixels, integers at the centres of pixels.

    Returns:
        float32 array (…, channels).
    """
    height, width = image.shape[:2]
    left, above = np.floor(x), np.floor(y)
    sampled = np.zeros((*x.shape, image.shape[2]), np.float32)
    for down in (0, 1):
        for across in (0, 1):
            column, row = left + across, above + down
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
            weight *= (column >= 0) & (column < width) & (row >= 0) & (row < height)
            column = np.clip(column, 0, width - 1).astype(np.intp)
            row = np.clip(row, 0, height - 1).astype(np.intp)
            sampled += weight[..., None].astype(np.float32) * image[row, column]
    return sampled


def normalised(pixels: Any) -> Any:
    """Pixels from 0 … 255 as networks are trained on them; arrays of NumPy and of TensorFlow."""
    return (pixels - 127.5) / 128.0


def _complex(points):
    """Points (n, 2) as complex numbers x + iy."""
    x, y = np.asarray(points, np.float64).T
    return x + 1j * y


def _sampled(image, c, d, height, width, mirrored):
    """A rectangle whose pixel z is taken at point c z + d of the image, float32."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    points = c * (x[:, ::-1] if mirrored else x) + c * 1j * y + d
    step = abs(c)  # source pixels to a pixel of the crop
    small = image.shape[0] * image.shape[1] <= 8 * height * width
    if small and step * PREFILTER_BELOW < 1:
        return bilinear(image.astype(np.float32), points.real, points.imag)
    # Only the part around the crop, halved as often as the scale asks for: below 0.6 once, below
    # 0.3 twice, …
    factor = 2 ** max(0, math.floor(1 + math.log2(step * PREFILTER_BELOW)))
    margin = 2 * (factor + step)
    corners = c * np.array([0, width, height * 1j, width + height * 1j]) + d
    part, begins, scales = [], [], []
    for places, side in ((corners.imag, image.shape[0]), (corners.real, image.shape[1])):
        # On multiples of the factor, so that a cut does not shift what is averaged.
        begin = int(np.clip(math.floor((places.min() - margin) / factor) * factor, 0, side - 1))
        end = int(np.clip(math.ceil((places.max() + margin) / factor) * factor, begin + 1, side))
        part.append(slice(begin, end))
        begins.append(begin)
        scales.append(math.ceil((end - begin) / factor) / (end - begin))
    source = image[part[0], part[1]].astype(np.float32)
    if factor > 1:
        source = resized(source, *(-(-side // factor) for side in source.shape[:2]))
    x = scales[1] * (points.real - begins[1] + 0.5) - 0.5
    y = scales[0] * (points.imag - begins[0] + 0.5) - 0.5
    return bilinear(source, x, y)
