"""The networks: Table 1's and DeepID2+, the poster's VGG-16, and small ones to compare with."""

from sparseface_tf.networks.baseline import LAYERS, baseline_network
from sparseface_tf.networks.counts import count, counts_at_width, total
from sparseface_tf.networks.deepid2plus import DEEPID2PLUS_LAYERS, deepid2plus_network
from sparseface_tf.networks.mobilefacenet import mobilefacenet
from sparseface_tf.networks.registry import NETWORKS, Network, build_network, mobilenet
from sparseface_tf.networks.squeezenet import squeezenet
from sparseface_tf.networks.vgg16 import VGG16_BLOCKS, VGG16_LAYERS, vgg16_network

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
