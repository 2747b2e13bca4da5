"""How alike the inputs are that a neuron keeps (Table 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.sparsify.correlations import forward, neuron_activations
from sparseface_tf.sparsify.geometry import layer_geometry


def kept_input_correlation(
    model: keras.Model,
    layer_name: str,
    images: NDArray[Any] | Iterable[Any],
    mask: ArrayLike | None = None,
    *,
    batch_size: int = 64,
) -> float | None:
    """Mean correlation over all pairs of inputs that a common neuron keeps (Sec. 5.2, Table 6).

    The signed Pearson coefficient over the images of every two inputs of a neuron, averaged over
    the pairs of all neurons. No pair is looked at: of n standardised inputs z the coefficients of
    all ordered pairs sum up to Var(Σ z) - n. So the images are read twice, first for means and
    deviations, then for the sums, and memory grows neither with them nor with the pairs. Inputs
    that do not vary have no correlation and are passed over.

    Args:
        model: functional `keras.Model` of one image input.
        layer_name: name of a dense or locally connected layer of it.
        images: array (images, height, width, channels), or an iterable of such batches that can
            be read twice, such as a `tf.data.Dataset`.
        mask: boolean array of the kernel's shape, the connections kept; default: the layer's own.
        batch_size: images in one forward pass where `images` is one array.

    Returns:
        The mean, a float; None if no neuron keeps two inputs that vary.

    Raises:
        ValueError: for a convolution, whose neurons at all positions share their weights, or for
            less than two images.
    """
    layer = model.get_layer(layer_name)
    geometry = layer_geometry(layer, model)
    if geometry.kind == "conv":
        raise ValueError(f"layer '{layer_name}' is a convolution: Table 6 is of single neurons")
    mask = np.asarray(layer.mask if mask is None else mask, bool)
    height, width, filters = geometry.outputs
    # (window's places, positions, channels, filters)
    mask = np.moveaxis(mask.reshape(height * width, -1, geometry.inputs[2], filters), 1, 0)
    taps = {layer_name: neuron_activations(model, layer_name)}

    def inputs():
        for activations in forward(model, taps, images, batch_size, None):
            batch = np.asarray(activations[layer_name][0], np.float32)
            yield batch.reshape(-1, *geometry.inputs)

    count, mean, square = _moments(inputs())
    if count < 2:
        raise ValueError(f"correlations need two images or more, got {count}")
    live = square > count * (np.finfo(np.float32).eps * mean) ** 2
    scale = np.where(live, np.sqrt(count / np.where(live, square, 1)), 0)

    sums = 0.0
    for batch in inputs():
        standard = ((batch - mean) * scale).astype(np.float32)
        sums = sums + np.square(_sums(geometry, standard, mask).astype(np.float64)).sum(axis=0)
    # How many of a neuron's inputs are kept and vary.
    kept = _sums(geometry, live[None].astype(np.float32), mask)[0].astype(np.float64)
    pairs = (kept * (kept - 1)).sum()
    return float((sums / count - kept).sum() / pairs) if pairs else None


def _moments(batches):
    """Number of images, and of each input the mean and the sum of squares about it, float64."""
    count, mean, square = 0, 0.0, 0.0
    for batch in batches:
        batch_mean = batch.mean(axis=0, dtype=np.float64)
        difference, total = batch_mean - mean, count + len(batch)
        # Chan, Golub and LeVeque, as in comoments.py.
        square = square + np.square(batch - batch_mean).sum(axis=0)
        square = square + difference**2 * (count * len(batch) / total)
        mean = mean + difference * (len(batch) / total)
        count = total
    return count, mean, square


def _sums(geometry, inputs, mask):
    """Sum of the inputs that each neuron keeps, float32 (images, positions, filters)."""
    height, width, _ = geometry.outputs
    total = 0
    for view, part in zip(geometry.views(inputs), mask):
        view = np.moveaxis(view.reshape(len(inputs), height * width, -1), 0, 1)
        product = keras.ops.matmul(np.ascontiguousarray(view), part.astype(np.float32))
        total = total + keras.ops.convert_to_numpy(product)
    return np.moveaxis(total, 0, 1)
