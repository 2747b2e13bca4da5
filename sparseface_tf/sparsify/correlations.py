"""Correlations between the neurons that a layer connects (Sec. 4.1, eqs. 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tqdm
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.replicas import check_one_replica
from sparseface_tf.sparsify.comoments import CorrelationStatistics
from sparseface_tf.sparsify.geometry import layer_geometry
from sparseface_tf.uses import readers, tensors_of

# Images in one product, the first choice and the ones to try when memory is short.
_CHUNKS = (256, 128, 64, 32)

# Layers that may stand between a layer's weights and its neural activations.
_ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)


def layer_correlations(
    model: keras.Model, layer_name: str, images: NDArray[Any] | Iterable[Any], **options: Any
) -> NDArray[np.float32]:
    """Correlations between the neurons that one layer connects.

    For dense and locally connected layers the signed Pearson coefficient r_ik of output neuron
    i and its input k over the images (eq. 1); for convolutions the sum over the output positions
    of |r| at that position (eq. 2). An output neuron is taken after its activation function, be
    that the layer's own or an activation layer behind it. Neurons that do not vary ("dead") and
    padding have the correlation 0; nothing is ever NaN.

    Args:
        model: functional `keras.Model` of one image input.
        layer_name: name of a Dense, Conv2D or MaskedLocallyConnected2D layer of it.
        images: array (images, height, width, channels), or an iterable of such batches, e.g. a
            `tf.data.Dataset`; of a batch that is a tuple the first entry is taken.
        **options: `batch_size`, `memory_limit` and `progress` of `network_correlations`.

    Returns:
        float32 array of the kernel's shape.

    Raises:
        ValueError: as `network_correlations`.

    Example:

    >>> model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, name="c")])
    >>> layer_correlations(model, "c", np.random.rand(9, 4, 4, 1)).shape
    (3, 3, 1, 2)
    """
    return network_correlations(model, [layer_name], images, **options)[layer_name]


def network_correlations(
    model: keras.Model,
    layer_names: Sequence[str],
    images: NDArray[Any] | Iterable[Any],
    *,
    batch_size: int = 64,
    memory_limit: int = 2 * 2**30,
    progress: bool = False,
) -> dict[str, NDArray[np.float32]]:
    """Correlations of several layers, in one pass over the images where memory allows.

    Args:
        model, images: as in `layer_correlations`.
        layer_names: names of the layers.
        batch_size: images in one forward pass where `images` is one array.
        memory_limit: bytes for the statistics and the work on them; the model's own forward pass
            and the results come on top. Where it does not hold all positions of all layers, the
            images are read several times, a group of positions each time.
        progress: whether to show a bar over the batches (needs tqdm).

    Returns:
        dict of the layers' names to float32 arrays of the kernels' shapes.

    Raises:
        ValueError: for an unknown layer, one that stands in the model more than once, a kind of layer
            without correlations, fewer than two images, a limit below one position of a layer, or images that can be read only once
            where several passes are needed.
    """
    layer_names = list(dict.fromkeys(layer_names))
    taps = {name: neuron_activations(model, name) for name in layer_names}
    geometries = {name: layer_geometry(model.get_layer(name), model) for name in layer_names}
    passes = _plan(geometries, memory_limit)
    if len(passes) > 1 and iter(images) is images:
        needed = sum(_memory(_tiles_of_all(geometries), geometries, _CHUNKS[-1]))
        raise ValueError(
            f"memory_limit={memory_limit} needs {len(passes)} passes over the images, which can "
            f"be read only once: give at least {needed}, or images that can be read again"
        )
    totals = {name: np.zeros(g.kernel_shape, np.float32) for name, g in geometries.items()}
    count = None
    for number, (tiles, chunk) in enumerate(passes):
        statistics = [
            (name, CorrelationStatistics(geometries[name], rows, columns, chunk))
            for name, rows, columns in tiles
        ]
        wanted = {name: taps[name] for name, _, _ in tiles}
        label = f"correlations {number + 1}/{len(passes)}"
        read = 0
        for activations in forward(model, wanted, images, batch_size, progress and label):
            read += len(next(iter(activations.values()))[0])
            for name, statistic in statistics:
                statistic.update(*activations[name])
        if count not in (None, read):
            raise ValueError(f"a second reading of the images gave {read} instead of {count}")
        count = read
        # One after the other, so that their memory is free for the next pass.
        while statistics:
            name, statistic = statistics.pop()
            statistic.add_to(totals[name])
    return totals


def mean_abs_correlation(
    correlations: ArrayLike, mask: ArrayLike | None = None, *, positions: int = 1
) -> float:
    """Mean |r| on the kept connections, as in the last columns of Table 5.

    Args:
        correlations: array of the kernel's shape, from `layer_correlations`.
        mask: boolean array of the same shape; all connections if None.
        positions: number of connections that share a weight, `output_positions(layer)`: eq. 2
            sums |r| over them, and Table 5 gives the mean.

    Returns:
        float; 0 for a mask that keeps nothing.
    """
    kept = np.abs(correlations if mask is None else np.asarray(correlations)[np.asarray(mask)])
    return float(kept.mean(dtype=np.float64)) / positions if kept.size else 0.0


def neuron_activations(model, name):
    """The tensors that hold a layer's inputs and its neurons' activations.

    The latter may come from an activation layer behind the layer, with or without a batch
    normalisation between them.
    """
    if name not in (layer.name for layer in model.layers):
        names = ", ".join(layer.name for layer in model.layers if hasattr(layer, "kernel"))
        raise ValueError(f"no layer '{name}' in model '{model.name}'; those with weights: {names}")
    layer = model.get_layer(name)
    inputs, outputs = tensors_of(model, layer)
    if getattr(layer, "activation", None) in (None, keras.activations.linear):
        behind = readers(model, outputs)
        if len(behind) == 1 and isinstance(behind[0], keras.layers.BatchNormalization):
            behind = readers(model, tensors_of(model, behind[0])[1])
        if len(behind) == 1 and isinstance(behind[0], _ACTIVATIONS):
            outputs = tensors_of(model, behind[0])[1]
    return inputs, outputs


def forward(model, taps, images, batch_size, label):
    """Yields {name: (inputs, outputs)} arrays, batch by batch; runs no deeper than needed."""
    submodel = keras.Model(model.inputs, taps)
    check_one_replica(submodel, "Computing correlations")
    if keras.backend.backend() == "tensorflow":
        # XLA's convolutions on a CPU are several times slower than TensorFlow's own.
        submodel.jit_compile = False
    batches = _batches(images, batch_size)
    if label:
        batches = tqdm.tqdm(batches, desc=label, unit="batch")
    for batch in batches:
        yield submodel.predict_on_batch(batch)


def _batches(images, batch_size):
    if hasattr(images, "shape"):
        for start in range(0, len(images), batch_size):
            yield images[start : start + batch_size]
    else:
        for batch in images:
            # As NumPy: a tensor of tf.data is no input for another backend.
            yield np.asarray(batch[0] if isinstance(batch, (tuple, list)) else batch)


def _plan(geometries, limit):
    """Divides the positions of all layers into passes that fit into `limit` bytes.

    Returns:
        A list of (tiles, chunk) with tiles a list of (name, rows, columns): the plan of fewest
        passes, and of the largest chunk among those.
    """
    plans = [_plan_with(geometries, limit, chunk) for chunk in _CHUNKS]
    plans = [plan for plan in plans if plan]
    if not plans:
        needed = max(
            sum(CorrelationStatistics.memory(g, (0, 1), (0, 1), _CHUNKS[-1]))
            for g in geometries.values()
        )
        raise ValueError(f"memory_limit={limit} is too small: give at least {needed} bytes")
    return min(plans, key=len)


def _plan_with(geometries, limit, chunk):
    """The passes with chunks of a given size; None if a single position is too large."""
    passes, tiles = [], []
    for name, geometry in geometries.items():
        for row in range(geometry.outputs[0]):
            for columns in _column_ranges(geometry, limit, chunk):
                if columns is None:
                    return None
                grown = _grow(tiles, (name, (row, row + 1), columns))
                if sum(_memory(grown, geometries, chunk)) > limit:
                    passes.append((tiles, chunk))
                    grown = [(name, (row, row + 1), columns)]
                tiles = grown
    return passes + [(tiles, chunk)]


def _column_ranges(geometry, limit, chunk):
    """A row as ranges of columns each of which fits into the limit; [None] if no column does."""
    width = columns = geometry.outputs[1]
    while sum(CorrelationStatistics.memory(geometry, (0, 1), (0, columns), chunk)) > limit:
        if columns == 1:
            return [None]
        columns = (columns + 1) // 2
    return [(left, min(left + columns, width)) for left in range(0, width, columns)]


def _grow(tiles, tile):
    """Appends a row of positions, to the last tile where it continues that."""
    name, rows, columns = tile
    if tiles and tiles[-1][0] == name and tiles[-1][1][1] == rows[0] and tiles[-1][2] == columns:
        return tiles[:-1] + [(name, (tiles[-1][1][0], rows[1]), columns)]
    return tiles + [tile]


def _memory(tiles, geometries, chunk):
    """Resident bytes of all tiles together, and the largest of their work spaces."""
    sizes = [
        CorrelationStatistics.memory(geometries[name], rows, columns, chunk)
        for name, rows, columns in tiles
    ]
    return sum(resident for resident, _ in sizes), max(transient for _, transient in sizes)


def _tiles_of_all(geometries):
    return [(name, (0, g.outputs[0]), (0, g.outputs[1])) for name, g in geometries.items()]
