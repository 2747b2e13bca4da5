"""How training images are changed at random."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipelines.command_line import setting
from pipelines.faces.limits import check_limits

if TYPE_CHECKING:
    from pipelines.faces import augmentation


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random changes of training images, each up to its limit."""

    flip: bool = setting(True, "Mirror half of the training images.")
    jitter: float = setting(0.0, "Error added to the landmarks, in distances between the eyes.")
    rotation: float = setting(0.0, "Turn training images by up to so many degrees either way.")
    scaling: float = setting(0.0, "Scale them by up to this share either way, e.g. 0.15.")
    shift: float = setting(0.0, "Shift them by up to this share of the crop either way.")
    brightness: float = setting(0.0, "Change the brightness by up to this share of its range.")
    contrast: float = setting(0.0, "Change the contrast by up to this share either way.")
    blur: float = setting(0.0, "Blur them with a Gaussian of up to so many pixels.")
    occlusion: float = setting(0.0, "Cover up to this share of half of the images.")

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        try:
            check_limits(self)
        except ValueError as error:
            raise ValueError(f"--{error}") from None

    def made(self) -> augmentation.Augmentation:
        """What the pipeline works with, a `pipelines.faces.augmentation.Augmentation`."""
        # With TensorFlow, which settings alone do without.
        from pipelines.faces import augmentation  # noqa: PLC0415

        return augmentation.Augmentation(**dataclasses.asdict(self))
