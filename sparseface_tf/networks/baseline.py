"""Table 1: the VGG-like network with two locally connected layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from sparseface_tf.layers import MaskedConv2D, MaskedLocallyConnected2D
from sparseface_tf.networks.parts import activate, feature


def baseline_network(
    input_shape: Sequence[int] = (112, 96, 3),
    width: float = 1.0,
    study: bool = False,
    normalization: bool | Mapping[str, Any] = False,
    dropout: float = 0.3,
    name: str = "baseline",
) -> keras.Model:
    """The network of Table 1, from the image to the 512-d feature f after its ReLU.

    Every layer has the paper's name, its weights can be dropped, and the outputs of the pooling
    stages are to be had by name too (`model.get_layer("pool3").output`); supervision.py hangs
    its branches there, and the 50 % dropout on f with them.

    Args:
        input_shape: (112, 96, 3) for rectangular face regions, (96, 96, 3) for square ones; any
            size that leaves 5 x 5 or more after the four poolings.
        width: multiplies the number of maps and features of every layer.
        study: leave out the first block and take half the input size, (56, 48, 3) or
            (48, 48, 3): a network of the same shape that trains about ten times faster. A layer
            keeps its name, so a study network has no 1a and 1b.
        normalization: put a batch normalisation between each convolutional or locally connected
            layer and its ReLU; a dict holds settings of it, such as its `gamma_initializer`. Not in
            the paper; see docs/results/recipe.md for what it is good for.
        dropout: fraction of 5b's outputs dropped in training (Sec. 3: 0.3).
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 512 * width).

    Raises:
        ValueError: if the input is too small for the layers.

    Example:

    >>> baseline_network().output_shape
    (None, 512)
    """
    height, pools = input_shape[0], 3 if study else 4
    if min(input_shape[0], input_shape[1]) < 5 * 2**pools:
        raise ValueError(
            f"An input of {height}x{input_shape[1]} is too small: layers 5a and 5b need 5x5 maps "
            f"after {pools} poolings, so at least {5 * 2**pools} pixels a side."
        )

    # Scaled for ReLU, or a signal through eleven layers without normalisation fades.
    weights = dict(kernel_initializer="he_normal", use_bias=normalization is False)

    def convolution(x, layer, maps):
        x = MaskedConv2D(round(width * maps), 3, padding="same", name=layer, **weights)(x)
        return activate(x, layer, normalization)

    def local_connection(x, layer, maps):
        x = MaskedLocallyConnected2D(round(width * maps), 3, name=layer, **weights)(x)
        return activate(x, layer, normalization)

    # === Functional Model ===                   Table 1, 112 x 96 input
    x = image = keras.Input(input_shape, name="image")
    if not study:
        x = convolution(x, "1a", 64)  #            112 x 96 x 64
        x = convolution(x, "1b", 64)
        x = layers.MaxPooling2D(2, name="pool1")(x)
    x = convolution(x, "2a", 96)  #                 56 x 48 x 96
    x = convolution(x, "2b", 96)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = convolution(x, "3a", 192)  #                28 x 24 x 192
    x = convolution(x, "3b", 192)
    x = layers.MaxPooling2D(2, name="pool3")(x)
    x = convolution(x, "4a", 256)  #                14 x 12 x 256
    x = convolution(x, "4b", 256)
    x = layers.MaxPooling2D(2, name="pool4")(x)  #   7 x 6 x 256
    x = local_connection(x, "5a", 256)  #            5 x 4 x 256
    x = local_connection(x, "5b", 256)  #            3 x 2 x 256
    x = layers.Dropout(dropout, name="5b_dropout")(x)
    x = layers.Flatten(name="5b_flatten")(x)
    return keras.Model(image, feature(x, round(width * 512)), name=name)
