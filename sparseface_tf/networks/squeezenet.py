"""SqueezeNet 1.0, which the poster compares its network with.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
2016. Keras' own applications do not have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

# Table 1 of the publication: maps of the squeezing and of each of the two expanding convolutions.
FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


def squeezenet(
    input_shape: Sequence[int] = (224, 224, 3),
    width: float = 1.0,
    classes: int | None = None,
    name: str = "squeezenet",
) -> keras.Model:
    """SqueezeNet 1.0 without bypasses, with random weights.

    Args:
        input_shape: (224, 224, 3) in the publication; any other from 48 x 48.
        width: multiplies the number of maps of every layer.
        classes: ends with the publication's classifier, a convolution; default: with the mean of
            the last maps over all positions.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        float32 features (batch, 512 * width), or logits (batch, classes).

    Raises:
        ValueError: if the input is too small for the layers.
    """
    if min(input_shape[0], input_shape[1]) < 48:
        raise ValueError(
            f"An input of {input_shape[0]}x{input_shape[1]} is too small: SqueezeNet needs at "
            "least 48 pixels a side."
        )

    def convolve(x, maps, window, name, stride=1, padding="same"):
        return layers.Conv2D(
            maps,
            window,
            stride,
            padding,
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)

    def fire(x, number):
        squeeze, expand = (round(width * maps) for maps in FIRES[number])
        x = convolve(x, squeeze, 1, f"fire{number}_squeeze")
        parts = [convolve(x, expand, n, f"fire{number}_expand{n}x{n}") for n in (1, 3)]
        return layers.Concatenate(name=f"fire{number}")(parts)

    # === Functional Model ===                        224 x 224 input
    x = image = keras.Input(input_shape, name="image")
    x = convolve(x, round(width * 96), 7, "conv1", 2, "valid")  # 109 x 109 x 96
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)  #            54 x 54 x 96
    for number in (2, 3, 4):
        x = fire(x, number)
    x = layers.MaxPooling2D(3, 2, name="pool4")(x)  #            26 x 26 x 256
    for number in (5, 6, 7, 8):
        x = fire(x, number)
    x = layers.MaxPooling2D(3, 2, name="pool8")(x)  #            12 x 12 x 512
    x = layers.Dropout(0.5, name="drop9")(fire(x, 9))
    if classes:
        x = convolve(x, classes, 1, "conv10")
    x = layers.GlobalAveragePooling2D(name="pool10")(x)
    x = layers.Activation("linear", dtype="float32", name="feature")(x)
    return keras.Model(image, x, name=name)
