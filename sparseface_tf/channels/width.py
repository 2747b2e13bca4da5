"""The prefixes of a network: at half its width, the first half of every layer's channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from sparseface_tf.channels.flow import producer
from sparseface_tf.channels.slicing import sliced


def normalisations(model: keras.Model) -> dict[str, keras.layers.BatchNormalization]:
    """The layers whose channels have scales of their own.

    Args:
        model: functional model.

    Returns:
        Dict from the name of a layer that makes channels to the batch normalisation that alone
        follows it, in the model's order.
    """
    followers: dict[int, list[keras.layers.Layer]] = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        inputs = layer.input if isinstance(layer.input, (list, tuple)) else [layer.input]
        for tensor in inputs:
            followers.setdefault(id(tensor), []).append(layer)
    found = {}
    for layer in model.layers:
        after = followers.get(id(layer.output), []) if producer(layer) else []
        if len(after) == 1 and isinstance(after[0], keras.layers.BatchNormalization):
            found[layer.name] = after[0]
    return found


def prefixes(
    model: keras.Model, width: float, multiple: int = 1, layers: Sequence[str] | None = None
) -> dict[str, NDArray[np.int64]]:
    """The first channels of every layer that has a normalisation behind it.

    How many channels a share of N is the poster does not say. Its networks at 75 % and 50 % have 0.559 and
    0.245 times the multiply-adds of the whole one, less than the squares of 0.75 and 0.5, although
    the first layer and the classifier shrink linearly: it must have rounded down, as is done here.

    Args:
        model: functional model.
        width: share of each layer's channels, in (0, 1].
        multiple: rounds to multiples of this number, such as 4 for masks of blocks; a layer that
            has fewer channels keeps them all.
        layers: names of the layers; default: all of `normalisations`.

    Returns:
        Dict from names of layers to int64 arrays, as `sliced` takes it.

    Raises:
        ValueError: if the width or the multiple is out of range, or there are no such layers.
    """
    if not 0 < width <= 1:
        raise ValueError(f"A width is a share of the channels, in (0, 1]; got {width}.")
    if multiple < 1:
        raise ValueError(f"Channels come in multiples of at least 1, got {multiple}.")
    layers = list(normalisations(model)) if layers is None else layers
    if not layers:
        raise ValueError(
            f"Model '{model.name}' has no batch normalisation behind a layer, so no channels that "
            "are in order of importance."
        )
    found = {}
    for name in layers:
        channels = int(model.get_layer(name).output.shape[-1])
        # 0.29 * 100 is a little less than 29.
        whole = math.floor(width * channels / multiple + 1e-9) * multiple
        found[name] = np.arange(min(channels, max(whole, multiple)))
    return found


def at_width(model: keras.Model, width: float, multiple: int = 1) -> keras.Model:
    """The network that is the first channels of each layer.

    Args:
        model: functional model with a batch normalisation behind every layer that is to shrink.
        width, multiple: see `prefixes`.

    Returns:
        A plain `keras.Model` with its own weights, see `sliced`. At 1 it is a copy.

    Raises:
        ValueError: see `prefixes` and `sliced`.

    Example:

    ```python
    half = at_width(vgg16_network(), 0.5)
    half.save("half.keras")
    ```
    """
    return sliced(model, prefixes(model, width, multiple))
