"""The frame of an aligned face, and where the regions of a face are in it; numbers alone."""

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.landmarks import LANDMARKS
from pipelines.faces.regions import Region

# Where the landmarks of an aligned face are in a crop of 112 x 96 pixels: x and y of the viewer's
# left eye, right eye, nose, left and right corner of the mouth.
TEMPLATE = (
    (30.2946, 51.6963),
    (65.5318, 51.5014),
    (48.0252, 71.7366),
    (33.5493, 92.3655),
    (62.7299, 92.2041),
)

# Height and width of the frame that those points are in.
FRAME = (112, 96)


def centre_of(region: Region) -> tuple[NDArray[np.complex128], complex]:
    """Centre of a region in an image.

    Args:
        region: a `Region`.

    Returns:
        weights: complex128 array (6,), by which the five landmarks, and the place of the frame's
            first pixel, are to be summed.
        offset: how far from there the centre is, x + iy in the frame.
    """
    chosen = [name in region.landmarks for name in LANDMARKS] + [not region.landmarks]
    offset = complex(*region.offset)
    weights = np.array(chosen, np.complex128) / sum(chosen)
    return weights, offset if region.landmarks else offset + middle(*FRAME)


def step_of(region: Region) -> float:
    """Pixels of the frame to a pixel of the region's crop."""
    return region.scale * FRAME[1] / region.width


def middle(height: int, width: int) -> complex:
    """The middle of an image of that size, x + iy in pixels, integers at the centres of pixels."""
    return complex(width - 1, height - 1) / 2
