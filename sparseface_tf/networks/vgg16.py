"""VGG-16 as the poster has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from sparseface_tf.layers import MaskedConv2D
from sparseface_tf.networks.kinds import VGG16_BLOCKS
from sparseface_tf.networks.parts import activate, in_float32


def vgg16_network(
    input_shape: Sequence[int] = (220, 180, 3),
    width: float = 1.0,
    normalization: bool | Mapping[str, Any] = True,
    name: str = "vgg16",
) -> keras.Model:
    """VGG-16 as the poster has it, from the image to a feature of 512 numbers.

    Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
    2015, with a batch normalisation behind every convolution, and with the mean over all positions
    in place of the three fully connected layers (`sparseface_tf.channels` has the poster). Pooling
    rounds up: 220 x 180 end as 7 x 6. The poster's dropout and softmax belong to the supervision.

    Args:
        input_shape: (220, 180, 3), CelebA's aligned images made a little larger, has as many
            multiply-adds as the poster says; any other from 32 x 32.
        width: multiplies the number of maps of every layer.
        normalization: True, or a dict of settings of the batch normalisations, such as their
            `gamma_initializer`.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 512 * width).

    Raises:
        ValueError: if the input is too small for the layers.

    Example:

    >>> vgg16_network((112, 96, 3)).output_shape
    (None, 512)
    """
    if min(input_shape[0], input_shape[1]) < 32:
        raise ValueError(
            f"An input of {input_shape[0]}x{input_shape[1]} is too small: VGG-16 halves it five "
            "times, so it needs at least 32 pixels a side."
        )
    # === Functional Model ===                                           220 x 180 input
    x = image = keras.Input(input_shape, name="image")
    for block, (maps, convolutions) in enumerate(VGG16_BLOCKS, 1):
        for i in range(1, convolutions + 1):
            x = MaskedConv2D(
                round(width * maps),
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"conv{block}_{i}",
            )(x)
            x = activate(x, f"conv{block}_{i}", normalization)
        # 110 x 90, 55 x 45, 28 x 23, 14 x 12, 7 x 6
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{block}")(x)
    x = layers.GlobalAveragePooling2D(name="pool5_mean")(x)
    return keras.Model(image, in_float32(x), name=name)
