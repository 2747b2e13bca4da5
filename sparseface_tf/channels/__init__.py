"""Channels in order of importance: a network whose prefixes are smaller networks.

After Tang, Su, Lin, Chang, "Efficient and Adaptive ConvNets for Face Recognition: A Channel
Prioritized Approach" (National Taiwan University, 2018), here "the poster".
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.channels.criteria import ChannelCriterion
    from sparseface_tf.channels.priority import ChannelPenalty, DecreasingScales
    from sparseface_tf.channels.slicing import sliced
    from sparseface_tf.channels.width import at_width, prefixes
    from sparseface_tf.channels.widths import at_widths

__all__ = [
    "ChannelCriterion",
    "ChannelPenalty",
    "DecreasingScales",
    "at_width",
    "at_widths",
    "prefixes",
    "sliced",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
