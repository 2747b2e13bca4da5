"""The networks that can be trained, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from sparseface_tf.networks.baseline import baseline_network
from sparseface_tf.networks.deepid2plus import deepid2plus_network
from sparseface_tf.networks.mobilefacenet import mobilefacenet
from sparseface_tf.networks.parts import in_float32
from sparseface_tf.networks.squeezenet import squeezenet
from sparseface_tf.networks.vgg16 import vgg16_network


def build_network(
    name: str,
    input_shape: Sequence[int],
    *,
    width: float = 1.0,
    study: bool = False,
    normalization: bool | Mapping[str, Any] = False,
    dropout: float = 0.3,
) -> keras.Model:
    """A network by its name, from images to features.

    Args:
        name: one of `NETWORKS`.
        input_shape: (height, width, channels).
        width: multiplies the number of maps and features of every layer.
        study, dropout: of `baseline_network`.
        normalization: see `baseline_network`; of networks that have it always, a dict of settings
            is for 'vgg16'.

    Returns:
        A `keras.Model` from images (batch, height, width, channels) to float32 features; the last
        layer is called "feature".

    Raises:
        ValueError: if the input is too small for the layers.
    """
    if name == "baseline":
        return baseline_network(input_shape, width, study, normalization, dropout)
    if name == "deepid2plus":
        return deepid2plus_network(input_shape, width, normalization)
    if name == "vgg16":
        return vgg16_network(input_shape, width, normalization or True)
    if name == "squeezenet":
        return squeezenet(input_shape, width)
    if name == "mobilenet":
        return mobilenet(input_shape, width)
    return mobilefacenet(input_shape, round(128 * width), width=width)


def mobilenet(
    input_shape: Sequence[int] = (224, 224, 3), width: float = 1.0, name: str = "mobilenet"
) -> keras.Model:
    """MobileNet of `keras.applications`, from the image to the mean of its last maps.

    Args:
        input_shape: (224, 224, 3) in the publication; any other from 32 x 32.
        width: the publication's width multiplier.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 1024 * width), with random weights.
    """
    image = keras.Input(input_shape, name="image")
    x = keras.applications.MobileNet(
        input_tensor=image, alpha=width, include_top=False, weights=None, pooling="avg"
    ).output
    return keras.Model(image, in_float32(x), name=name)
