"""Cutting regions of a face out of its image, aligned by the landmarks."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from pipelines.faces.alignment import face_frame
from pipelines.faces.frame import centre_of, middle, step_of
from pipelines.faces.regions import Region
from pipelines.faces.sampling import sample


def crop_region(
    image: tf.Tensor,
    landmarks: tf.Tensor,
    region: Region,
    *,
    mirrored: bool | tf.Tensor = False,
    motion: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> tf.Tensor:
    """Cuts a region out of an image, sampled once.

    Args:
        image: tensor (h, w, 3) of any real type.
        landmarks: float tensor (5, 2), x and y in pixels, integers at the centres of pixels; not
            known where any is NaN.
        region: a `Region`.
        mirrored: boolean scalar tensor; True gives the region of the mirrored face, so "left_eye"
            is then the mirrored right eye.
        motion: a small movement of the region as `Augmentation.motion` gives it, or None.

    Returns:
        float32 tensor (region.height, region.width, region.channels) in the range of the image.
    """
    c, d, points = face_frame(landmarks, tf.shape(image)[:2])
    weights, offset = (
        tf.where(mirrored, other, own)
        for own, other in zip(centre_of(region), centre_of(region.mirrored()))
    )
    centre = tf.tensordot(weights, tf.concat([points, d[None]], 0), 1) + c * offset
    step = c * tf.constant(step_of(region), tf.complex128)
    if motion is not None:
        turn, shift = motion
        # Turned and scaled about the region's centre; shifted by shares of its size.
        pixels = shift * tf.constant([region.width, region.height], tf.float64)
        centre += step * tf.complex(*tf.unstack(pixels))
        step = step * turn
    return sample(
        image,
        step,
        centre - step * middle(region.height, region.width),
        region.height,
        region.width,
        mirrored=mirrored,
        grey=region.channels == 1,
    )


def crop_regions(
    image: tf.Tensor,
    landmarks: tf.Tensor,
    regions: Sequence[Region],
    *,
    mirrored: bool = False,
    change: Callable[[tf.Tensor], tf.Tensor] = lambda pixels: pixels,
) -> list[tf.Tensor]:
    """Cuts many regions out of an image: it is sampled once, at the resolution of the finest.

    What one gets differs from `crop_region` by a second bilinear interpolation.

    Args:
        image, landmarks: see `crop_region`.
        regions: list of `Region`.
        mirrored: boolean; whether to give the regions of the mirrored face.
        change: a linear function of pixels, such as one to another range; it is computed once for
            all regions.

    Returns:
        List of float32 tensors (height, width, channels), one for each region.
    """
    c, d, points = face_frame(landmarks, tf.shape(image)[:2])
    seen = [region.mirrored() if mirrored else region for region in regions]
    weights, offsets = map(tf.stack, zip(*map(centre_of, seen)))
    centres = (tf.linalg.matvec(weights, tf.concat([points, d[None]], 0)) - d) / c + offsets
    steps = tf.constant([step_of(region) for region in seen], tf.complex128)
    sides = 2 * np.array([middle(region.height, region.width) for region in seen])
    first, last = centres - steps * sides / 2, centres + steps * sides / 2

    # An upright canvas that holds them all. Finer than the image's own pixels it need not be. It has
    # a pixel more on every side: crop_and_resize gives black for a position that is outside by no
    # more than a rounding error.
    fine = tf.maximum(tf.reduce_min(tf.math.real(steps)), 1 / tf.abs(c))
    fine = tf.cast(tf.minimum(fine, tf.reduce_max(tf.math.real(steps))), steps.dtype)
    corner = tf.complex(
        tf.reduce_min(tf.math.real(first)), tf.reduce_min(tf.math.imag(first))
    ) - fine * (1 + 1j)
    first, last = (first - corner) / fine, (last - corner) / fine
    width = tf.math.ceil(tf.reduce_max(tf.math.real(last))) + 2
    height = tf.math.ceil(tf.reduce_max(tf.math.imag(last))) + 2
    canvas = sample(
        image, c * fine, c * corner + d, tf.cast(height, tf.int32), tf.cast(width, tf.int32)
    )
    canvases = {3: change(canvas)}
    if any(region.channels == 1 for region in seen):
        canvases[1] = tf.image.rgb_to_grayscale(canvases[3])

    # crop_and_resize counts positions from 0 to 1 between the centres of the outermost pixels, and
    # mirrors where the right side is given first.
    across, down = [tf.math.real(first), tf.math.real(last)], [tf.math.imag(first), tf.math.imag(last)]
    left, right = reversed(across) if mirrored else across
    boxes = tf.stack([down[0], left, down[1], right], axis=1)
    boxes = tf.cast(boxes / (tf.stack([height, width, height, width]) - 1), tf.float32)
    crops = [None] * len(seen)
    kinds = [(region.height, region.width, region.channels) for region in seen]
    for kind in set(kinds):
        which = [i for i, other in enumerate(kinds) if other == kind]
        parts = tf.image.crop_and_resize(
            canvases[kind[2]][None], tf.gather(boxes, which), [0] * len(which), kind[:2]
        )
        for i, crop in zip(which, tf.unstack(parts)):
            crops[i] = crop
    return crops
