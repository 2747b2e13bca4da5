"""Faces: images decoded, landmarks, alignment, regions and random changes."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.faces.alignment import similarity, template
    from pipelines.faces.augmentation import Augmentation
    from pipelines.faces.cropping import crop_region, crop_regions
    from pipelines.faces.frame import TEMPLATE
    from pipelines.faces.images import decode
    from pipelines.faces.landmarks import add_landmarks, read_landmarks
    from pipelines.faces.regions import WHOLE_FACE, Region, read_regions
    from pipelines.faces.source import Faces

__all__ = [
    "TEMPLATE",
    "WHOLE_FACE",
    "Augmentation",
    "Faces",
    "Region",
    "add_landmarks",
    "crop_region",
    "crop_regions",
    "decode",
    "read_landmarks",
    "read_regions",
    "similarity",
    "template",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
