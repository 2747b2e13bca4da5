"""Channels in order of importance: a network whose prefixes are smaller networks.

After Tang, Su, Lin, Chang, "Efficient and Adaptive ConvNets for Face Recognition: A Channel
Prioritized Approach" (National Taiwan University, 2018), here "the poster".
"""

from sparseface_tf.channels.priority import ChannelPenalty, DecreasingScales
from sparseface_tf.channels.slicing import sliced
from sparseface_tf.channels.width import at_width, prefixes

__all__ = [
    "ChannelPenalty",
    "DecreasingScales",
    "at_width",
    "prefixes",
    "sliced",
]
