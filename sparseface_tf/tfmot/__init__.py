"""Masks of tensorflow-model-optimization for models of Keras 3; `masks` explains them."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.tfmot.child import check_installed
    from sparseface_tf.tfmot.masks import (
        magnitude_mask,
        magnitude_masks,
        two_by_four_mask,
        two_by_four_masks,
    )

__all__ = [
    "check_installed",
    "magnitude_mask",
    "magnitude_masks",
    "two_by_four_mask",
    "two_by_four_masks",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
