"""MobileFaceNet, today's usual small network for faces: a peer for size and speed.

Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on
Mobile Devices", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

# Table 1 of the publication: expansion, maps, repetitions, stride of the first.
BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def mobilefacenet(
    input_shape: Sequence[int] = (112, 112, 3),
    features: int = 128,
    width: float = 1.0,
    name: str = "mobilefacenet",
) -> keras.Model:
    """MobileFaceNet as published, with untrained weights.

    Args:
        input_shape: (112, 112, 3) in the publication; the global depthwise convolution covers what
            is left of any other.
        features: length of the embedding; 128 in the publication.
        width: multiplies the number of maps of every layer.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        float32 features (batch, features).
    """

    def normalise(x, activate=True):
        x = layers.BatchNormalization()(x)
        return layers.PReLU(shared_axes=[1, 2])(x) if activate else x

    def convolve(x, maps, window=1, stride=1, activate=True):
        x = layers.Conv2D(maps, window, stride, padding="same", use_bias=False)(x)
        return normalise(x, activate)

    def depthwise(x, window=3, stride=1, padding="same", activate=True):
        x = layers.DepthwiseConv2D(window, stride, padding=padding, use_bias=False)(x)
        return normalise(x, activate)

    # === Functional Model ===
    x = image = keras.Input(input_shape, name="image")
    x = convolve(x, round(64 * width), 3, 2)
    x = depthwise(x)
    for expansion, maps, repetitions, stride in BOTTLENECKS:
        for step in [stride] + [1] * (repetitions - 1):
            y = convolve(x, expansion * x.shape[-1])
            y = depthwise(y, stride=step)
            y = convolve(y, round(maps * width), activate=False)  # linear
            x = layers.Add()([x, y]) if step == 1 and x.shape[-1] == y.shape[-1] else y
    x = convolve(x, round(512 * width))
    x = depthwise(x, x.shape[1:3], padding="valid", activate=False)  # linear, global
    x = convolve(x, features, activate=False)
    return keras.Model(image, layers.Flatten(dtype="float32", name="feature")(x), name=name)
