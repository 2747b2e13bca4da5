"""What programs ask of a network before it is built, and before Keras is imported."""

from __future__ import annotations

from typing import NamedTuple

# The layers of Table 1 that have weights, from the input up.
LAYERS = ("1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b", "5a", "5b", "f")

DEEPID2PLUS_LAYERS = ("conv1", "conv2", "conv3", "conv4", "f")

# VGG-16: maps and number of convolutions of every block (configuration D of the publication).
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
VGG16_LAYERS = tuple(
    f"conv{block}_{i}"
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, 1)
    for i in range(1, convolutions + 1)
)


class Network(NamedTuple):
    """One network.

    Attributes:
        layers: names of the layers whose weights can be dropped, from the input up.
        input_width: of its input in pixels, for regions of any shape.
        normalization: whether it has batch normalisations: "always", "never", or as "asked".
    """

    layers: tuple[str, ...]
    input_width: int
    normalization: str


NETWORKS = {
    "baseline": Network(LAYERS, 96, "asked"),
    "deepid2plus": Network(DEEPID2PLUS_LAYERS, 47, "asked"),
    "vgg16": Network(VGG16_LAYERS, 96, "always"),
    "mobilefacenet": Network((), 96, "always"),
    "mobilenet": Network((), 96, "always"),
    "squeezenet": Network((), 96, "never"),
}
