"""Whether the five landmarks of faces can be right.

Landmarks are brought onto the template by the similarity transform that fits best. What it takes
tells where they are from: how much it turns and enlarges the image, and how far the landmarks
stay from the template. A detector's own, of 39,000 photographs, stay 0.1 eye distances away (root
mean square) and full profiles up to 0.37; those with eyes or corners of the mouth exchanged 0.4
and more, and always come nearer the template in their right order.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from pipelines.faces.alignment import TEMPLATE, similarity, template

HEIGHT, WIDTH = 112, 96
# As given, then with the two eyes, the corners of the mouth, or both exchanged.
ORDERS = {
    "": (0, 1, 2, 3, 4),
    "eyes": (1, 0, 2, 3, 4),
    "mouth corners": (0, 1, 2, 4, 3),
    "eyes and mouth corners": (1, 0, 2, 4, 3),
}
_EYE_DISTANCE = math.dist(*TEMPLATE[:2])  # pixels of the crop
POINT = 1.0  # pixels; landmarks that are all nearer to each other are one point
RESIDUAL = 0.4  # eye distances
TILTED = 45.0  # degrees
UPSIDE_DOWN = 135.0
ENLARGED = 2.0  # eyes of a crop's 35 pixels are then less than 18 in the image


class Fit(NamedTuple):
    """How landmarks lie on the template of 112 x 96 pixels; NaN where they do not determine it.

    Attributes:
        scale: float64 (n,), pixels of the crop to a pixel of the image.
        roll: float64 (n,), degrees by which the face is turned clockwise in the image.
        residual: float64 (n,), root mean square distance from the template, in eye distances.
    """

    scale: NDArray[np.float64]
    roll: NDArray[np.float64]
    residual: NDArray[np.float64]


class Faults(NamedTuple):
    """Images whose landmarks cannot be right, or are of little use.

    Each is a dict from the number of an image to what is wrong with it, the worst first. An image
    may have several faults; where landmarks are missing or in one point nothing else is told.

    Attributes:
        missing: not all ten numbers are there.
        one_point: all lie in one point.
        outside: some lie outside the image; by how many eye distances the farthest.
        exchanged: names of those that stand in the wrong order.
        upside_down: roll in degrees, beyond 135.
        tilted: roll in degrees, beyond 45.
        implausible: residual in eye distances, above 0.4 in the best order.
        small: scale by which a crop of 112 x 96 pixels enlarges the image, above 2.
    """

    missing: dict[int, None]
    one_point: dict[int, None]
    outside: dict[int, float]
    exchanged: dict[int, str]
    upside_down: dict[int, float]
    tilted: dict[int, float]
    implausible: dict[int, float]
    small: dict[int, float]

    def among(self, chosen: NDArray[np.bool_]) -> "Faults":
        """The faults of some images only, those where `chosen` (n,) is true."""
        kept = {
            name: {image: value for image, value in fault.items() if chosen[image]}
            for name, fault in self._asdict().items()
        }
        return self._replace(**kept)


def fit(landmarks: ArrayLike) -> Fit:
    """Fits landmarks to the template.

    Args:
        landmarks: float array (n, 5, 2), x and y in pixels.

    Returns:
        A `Fit`.
    """
    landmarks = np.asarray(landmarks, np.float64)
    a, b = (part.numpy() for part in _similarities(landmarks))
    target = template(HEIGHT, WIDTH).numpy()
    points, target = (x[..., 0] + 1j * x[..., 1] for x in (landmarks, target))
    error = np.abs(a[:, None] * points + b[:, None] - target)
    residual = np.sqrt(np.mean(error**2, axis=1)) / _EYE_DISTANCE
    # a turns the face upright, so the face itself is turned the other way; y points down.
    roll = np.where(np.isfinite(residual), -np.degrees(np.angle(a)), np.nan)
    return Fit(np.where(np.isfinite(residual), np.abs(a), np.nan), roll, residual)


@tf.function(input_signature=[tf.TensorSpec((None, 5, 2), tf.float64)], autograph=False)
def _similarities(landmarks):
    """a and b of every face's transform, complex128 (n,)."""
    target = template(HEIGHT, WIDTH)
    return tf.vectorized_map(lambda points: similarity(points, target), landmarks)


def faults(landmarks: ArrayLike, sizes: ArrayLike) -> tuple[Faults, Fit]:
    """Looks for everything that can be wrong with landmarks.

    Args:
        landmarks: float array (n, 5, 2), x and y in pixels, integers at the centres of pixels.
        sizes: integer array (n, 2), height and width of the images in pixels.

    Returns:
        The `Faults`, and the `Fit` of the landmarks as they are given.
    """
    landmarks = np.asarray(landmarks, np.float64)
    missing = ~np.isfinite(landmarks).all(axis=(1, 2))
    landmarks = np.where(missing[:, None, None], np.nan, landmarks)
    centred = landmarks - landmarks.mean(axis=1, keepdims=True)
    one_point = np.abs(centred).max(axis=(1, 2)) < POINT
    known = np.where(one_point[:, None, None], np.nan, landmarks)

    fits = [fit(known[:, order]) for order in ORDERS.values()]
    given = fits[0]
    residuals = np.stack([each.residual for each in fits])
    best = np.where(np.isnan(residuals[0]), 0, np.argmin(residuals, axis=0))
    residual = residuals.min(axis=0)
    # How a face lies is told by its landmarks in their right order.
    roll = np.abs(np.take_along_axis(np.stack([each.roll for each in fits]), best[None], 0)[0])

    # The edges of the image are half a pixel outside the outermost centres.
    beyond = np.maximum(-0.5 - known, known - (np.asarray(sizes)[:, None, ::-1] - 0.5))
    outside = beyond.max(axis=(1, 2)) * given.scale / _EYE_DISTANCE
    exchanged = _worst(best > 0, residuals[0] - residual)
    found = Faults(
        missing=dict.fromkeys(np.flatnonzero(missing).tolist(), None),
        one_point=dict.fromkeys(np.flatnonzero(one_point).tolist(), None),
        outside=_worst(outside > 0, outside),
        exchanged={image: list(ORDERS)[best[image]] for image in exchanged},
        upside_down=_worst(roll > UPSIDE_DOWN, roll),
        tilted=_worst((roll > TILTED) & (roll <= UPSIDE_DOWN), roll),
        implausible=_worst(residual > RESIDUAL, residual),
        small=_worst(given.scale > ENLARGED, given.scale),
    )
    return found, given


def _worst(chosen, values):
    """The chosen images with their values, greatest first."""
    images = np.flatnonzero(chosen)
    images = images[np.argsort(-values[images], kind="stable")]
    return dict(zip(images.tolist(), values[images].tolist()))
