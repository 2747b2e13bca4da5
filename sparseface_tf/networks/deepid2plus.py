"""DeepID2+, which the paper compares its networks with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from sparseface_tf.layers import MaskedConv2D
from sparseface_tf.networks.parts import activate, feature


def deepid2plus_network(
    input_shape: Sequence[int] = (55, 47, 3),
    width: float = 1.0,
    normalization: bool | Mapping[str, Any] = False,
    name: str = "deepid2plus",
) -> keras.Model:
    """DeepID2+, from the image to its 512-d feature f after the ReLU.

    Sun et al., "Deeply learned face representations are sparse, selective, and robust", CVPR 2015,
    enlarge DeepID2 (Sun et al., "Deep Learning Face Representation by Joint
    Identification-Verification", NIPS 2014). What is from where:

    * the input of 55 x 47: the paper that this project follows (Sec. 3);
    * four convolutional layers of 128 maps each, a feature of 512 fully connected to the third and
      the fourth, and supervision on every stage after its pooling: DeepID2+;
    * windows of 4 x 4, 3 x 3, 3 x 3 and 2 x 2 without padding, 2 x 2 pooling after the first three:
      DeepID2, whose structure DeepID2+ says it inherits.

    One thing is simpler here: DeepID2 shares the weights of its third layer within 2 x 2 positions
    only, and those of its fourth not at all. DeepID2+ does not say whether it does, and both are
    plain convolutions here.

    The supervision is supervision.py's, with the branches pool1, pool2 and pool3 beside f, which
    stands for the fourth stage; a branch on conv4_relu is possible too. f sees the third stage and
    the fourth joined: its kernel has the inputs from pool3 first, then those from conv4.

    Args:
        input_shape: (55, 47, 3) for rectangular face regions, (47, 47, 3) for square ones; any
            size from 31 x 31.
        width: multiplies the number of maps and features of every layer.
        normalization: put a batch normalisation between each convolution and its ReLU; a dict
            holds settings of it. Not in either publication.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 512 * width).

    Raises:
        ValueError: if the input is too small for the layers.

    Example:

    >>> deepid2plus_network().output_shape
    (None, 512)
    """
    if min(input_shape[0], input_shape[1]) < 31:
        raise ValueError(
            f"An input of {input_shape[0]}x{input_shape[1]} is too small: layer conv4 needs 2x2 "
            "maps after three poolings, so at least 31 pixels a side."
        )

    weights = dict(kernel_initializer="he_normal", use_bias=normalization is False)

    def convolution(x, layer, window):
        x = MaskedConv2D(round(width * 128), window, name=layer, **weights)(x)
        return activate(x, layer, normalization)

    # === Functional Model ===                   55 x 47 input
    x = image = keras.Input(input_shape, name="image")
    x = convolution(x, "conv1", 4)  #               52 x 44 x 128
    x = layers.MaxPooling2D(2, name="pool1")(x)  #  26 x 22 x 128
    x = convolution(x, "conv2", 3)  #               24 x 20 x 128
    x = layers.MaxPooling2D(2, name="pool2")(x)  #  12 x 10 x 128
    x = convolution(x, "conv3", 3)  #               10 x 8 x 128
    x = third = layers.MaxPooling2D(2, name="pool3")(x)  #  5 x 4 x 128
    x = convolution(x, "conv4", 2)  #               4 x 3 x 128
    stages = [layers.Flatten(name="pool3_flatten")(third), layers.Flatten(name="conv4_flatten")(x)]
    x = layers.Concatenate(name="stages")(stages)
    return keras.Model(image, feature(x, round(width * 512)), name=name)
