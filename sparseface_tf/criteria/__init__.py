"""Which weights of a layer are kept: the criteria of the paper and some beyond, one a module.

A criterion is a subclass of `Criterion` with a name. Every module of this package is looked
through, so one more file in it is one more criterion; those in files elsewhere come in by
`load_criteria`. `criterion("obd,draws=2")` makes one from what a flag says.
"""

from sparseface_tf.command_line import setting
from sparseface_tf.criteria.base import Criterion
from sparseface_tf.criteria.base import MaskCallback
from sparseface_tf.criteria.registry import channel_criteria
from sparseface_tf.criteria.registry import channel_criterion
from sparseface_tf.criteria.registry import criteria
from sparseface_tf.criteria.registry import criterion
from sparseface_tf.criteria.registry import load_criteria
