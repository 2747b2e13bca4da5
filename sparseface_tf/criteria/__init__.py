"""Which weights of a layer are kept: the criteria of the paper and some beyond, one a module.

A criterion is a subclass of `Criterion` with a name. Every module of this package is looked
through, so one more file in it is one more criterion; those in files elsewhere come in by
`load_criteria`. `criterion("obd,draws=2")` makes one from what a flag says.
"""

from typing import TYPE_CHECKING

from pipelines.command_line import setting
from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.criteria.base import Criterion, MaskCallback
    from sparseface_tf.criteria.registry import (
        channel_criteria,
        channel_criterion,
        criteria,
        criterion,
        load_criteria,
    )

__all__ = [
    "Criterion",
    "MaskCallback",
    "channel_criteria",
    "channel_criterion",
    "criteria",
    "criterion",
    "load_criteria",
    "setting",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
