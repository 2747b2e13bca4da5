"""The networks: Table 1's and DeepID2+, the poster's VGG-16, and small ones to compare with."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.networks.baseline import baseline_network
    from sparseface_tf.networks.counts import count, counts_at_width, total
    from sparseface_tf.networks.deepid2plus import deepid2plus_network
    from sparseface_tf.networks.kinds import (
        DEEPID2PLUS_LAYERS,
        LAYERS,
        NETWORKS,
        VGG16_BLOCKS,
        VGG16_LAYERS,
        Network,
    )
    from sparseface_tf.networks.mobilefacenet import mobilefacenet
    from sparseface_tf.networks.registry import build_network, mobilenet
    from sparseface_tf.networks.squeezenet import squeezenet
    from sparseface_tf.networks.vgg16 import vgg16_network

__all__ = [
    "DEEPID2PLUS_LAYERS",
    "LAYERS",
    "NETWORKS",
    "VGG16_BLOCKS",
    "VGG16_LAYERS",
    "Network",
    "baseline_network",
    "build_network",
    "count",
    "counts_at_width",
    "deepid2plus_network",
    "mobilefacenet",
    "mobilenet",
    "squeezenet",
    "total",
    "vgg16_network",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
