"""Means, variances and co-moments of a layer's inputs and outputs, gathered in a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.sparsify.geometry import LayerGeometry

# One float32, the type of activations, co-moments and correlations.
_BYTES = 4


class CorrelationStatistics:
    """Statistics of one layer, or of a tile of its positions, for eqs. 1 and 2 of the paper.

    The images stream through `update`. They are gathered into chunks, each chunk is centred by
    its own mean and joins what was before by the pairwise update of Chan, Golub and LeVeque
    (1983), as does, through `merge`, what another worker gathered. So no offset of the mean
    costs precision, and the float32 products only ever see centred data. Means and variances are
    float64. The size does not depend on the number of images.

    Args:
        geometry: `LayerGeometry` of the layer.
        rows, columns: ranges of output positions, all of them by default.
        chunk: number of images in one product. A larger one spends less time on adding to the
            co-moments and more memory on activations.
    """

    def __init__(
        self,
        geometry: LayerGeometry,
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
        chunk: int = 256,
    ):
        self.geometry = geometry
        self.rows = rows or (0, geometry.outputs[0])
        self.columns = columns or (0, geometry.outputs[1])
        self.count = 0
        # The patch of the padded input map that the tile sees.
        self._top, bottom = geometry.span(0, *self.rows)
        self._left, right = geometry.span(1, *self.columns)
        height, width = self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]
        shapes = [
            (bottom - self._top, right - self._left, geometry.inputs[2]),
            (height, width, geometry.filters),
        ]
        self._mean = [np.zeros(shape) for shape in shapes]
        self._square = [np.zeros(shape) for shape in shapes]
        # For every row of outputs, and every place in the window, (columns, channels, filters).
        self._products: list[Any] = [None] * height
        # Zeros stay where the inputs are padding.
        self._buffer = [np.zeros((chunk, *shape), np.float32) for shape in shapes]
        self._buffered = 0

    @staticmethod
    def memory(
        geometry: LayerGeometry, rows: tuple[int, int], columns: tuple[int, int], chunk: int
    ) -> tuple[int, int]:
        """Returns (resident, transient) bytes that such statistics take.

        Resident are the co-moments and the activations waiting for their product, transient is
        the work space while `update` or `result` runs.
        """
        (top, bottom), (left, right) = geometry.span(0, *rows), geometry.span(1, *columns)
        height, width = rows[1] - rows[0], columns[1] - columns[0]
        inputs = (bottom - top) * (right - left) * geometry.inputs[2]
        outputs = height * width * geometry.filters
        products = width * geometry.fan_in * geometry.filters
        # Means and squares are float64.
        resident = height * products + (chunk + 4) * (inputs + outputs)
        # Centring holds three copies of one side (data, centred, transposed or squared) beside
        # the finished other one; then come what the window sees at one place, and its products.
        centring = 3 * max(inputs, outputs) + min(inputs, outputs)
        place = inputs + outputs + 2 * width * (geometry.inputs[2] + geometry.filters)
        products //= geometry.window[0] * geometry.window[1]
        transient = max(chunk * centring, chunk * place + 2 * products)
        return _BYTES * resident, _BYTES * transient

    def update(self, inputs: ArrayLike, outputs: ArrayLike) -> None:
        """Adds a batch of images.

        Args:
            inputs: array (batch, *geometry.inputs), or (batch, K) for a dense layer: the
                activations that enter the layer. Any floating type; cast to float32.
            outputs: array (batch, *geometry.outputs), or (batch, units): what its neurons
                answer, after the activation function.
        """
        inputs = np.reshape(inputs, (-1, *self.geometry.inputs))
        outputs = np.reshape(outputs, (-1, *self.geometry.outputs))
        if len(inputs) != len(outputs):
            raise ValueError(f"{len(inputs)} inputs but {len(outputs)} outputs in one batch")
        start, chunk = 0, len(self._buffer[0])
        while start < len(inputs):
            taken = min(chunk - self._buffered, len(inputs) - start)
            self._store(inputs[start : start + taken], outputs[start : start + taken])
            start += taken
            if self._buffered == chunk:
                self._flush()

    def merge(self, other: CorrelationStatistics) -> CorrelationStatistics:
        """Adds the images of another `CorrelationStatistics` of the same layer and tile, exactly.

        Raises:
            ValueError: if the other one is of another layer or tile.
        """
        mine = (self.geometry, self.rows, self.columns)
        if mine != (other.geometry, other.rows, other.columns):
            raise ValueError("only statistics of the same layer and positions can be merged")
        self._flush()
        other._flush()
        if other.count:
            bridge = self._join(other.count, other._mean, other._square)
            for row, products in enumerate(other._products):
                self._add(row, *bridge)
                self._products[row] = [ops.add(*both) for both in zip(self._products[row], products)]
        return self

    def result(self) -> NDArray[np.float32]:
        """Returns the correlations, float32, of the kernel's shape.

        Dense and locally connected layers: r of eq. 1 at the positions of the tile, 0 elsewhere.
        Convolutions: |r| summed over the positions of the tile, eq. 2 (the sums of several tiles
        add up to it). Where either activation does not vary, the correlation is 0.

        Raises:
            ValueError: if there were fewer than two images.
        """
        return self.add_to(np.zeros(self.geometry.kernel_shape, np.float32))

    def add_to(self, total: NDArray[np.float32]) -> NDArray[np.float32]:
        """Adds `result()` to an array without a second one of its size; returns the array."""
        self._flush()
        if self.count < 2:
            raise ValueError(f"correlations need two images or more, got {self.count}")
        rows, width, filters = self._mean[1].shape
        # The kernel's places and channels as one axis, K. A view.
        positions = self.geometry.outputs[:2] if self.geometry.kind == "local" else ()
        of_all = total.reshape(*positions, self.geometry.fan_in, filters)
        scales = [
            _inverse_deviation(self.count, mean, square)
            for mean, square in zip(self._mean, self._square)
        ]
        inputs, outputs = scales[0][..., None], scales[1][:, :, None]
        channels = self.geometry.inputs[2]
        for row in range(rows):
            seen = self._seen(row, inputs)
            for place, (products, scale) in enumerate(zip(self._products[row], seen)):
                products = ops.convert_to_numpy(products)
                part = slice(place * channels, (place + 1) * channels)
                # Position by position: these few passes over a matrix then stay in the cache.
                for column in range(width):
                    r = products[column] * scale[column]
                    r *= outputs[row, column]
                    np.clip(r, -1.0, 1.0, out=r)
                    if self.geometry.kind == "conv":
                        of_all[part] += np.abs(r, out=r)
                    elif self.geometry.kind == "local":
                        of_all[self.rows[0] + row, self.columns[0] + column, part] += r
                    else:
                        of_all[part] += r
        return total

    def _store(self, inputs, outputs):
        """Copies images into the buffer: cut to the tile, padded, in float32."""
        at = slice(self._buffered, self._buffered + len(inputs))
        pad_y, pad_x = self.geometry.pad
        # Where the tile lies on the map, and where the map lies on the tile.
        y, x = self._top - pad_y, self._left - pad_x
        tile_height, tile_width, _ = self._mean[0].shape
        seen = inputs[:, max(y, 0) : y + tile_height, max(x, 0) : x + tile_width]
        below, right = max(-y, 0) + seen.shape[1], max(-x, 0) + seen.shape[2]
        self._buffer[0][at, max(-y, 0) : below, max(-x, 0) : right] = seen
        self._buffer[1][at] = outputs[:, slice(*self.rows), slice(*self.columns)]
        self._buffered += len(inputs)

    def _flush(self):
        """Adds the co-moments of the images in the buffer."""
        number, self._buffered = self._buffered, 0
        if not number:
            return
        # Images last and first of the two, as products want them.
        orders = (1, 2, 3, 0), (1, 2, 0, 3)
        centred, means, squares = zip(
            *(_centre(buffer[:number], order) for buffer, order in zip(self._buffer, orders))
        )
        bridge = self._join(number, means, squares)
        # The pairwise update's term for the two means has the form of one more image.
        inputs, outputs = [ops.concatenate(both, axis) for *both, axis in zip(centred, bridge, (3, 2))]
        del centred
        for row in range(len(self._products)):
            self._add(row, inputs, outputs)

    def _join(self, number, means, squares):
        """Joins counts, means and squares of `number` more images to those so far.

        Returns:
            Tensors (y, x, maps, 1) for the inputs and (y, x, 1, maps) for the outputs, whose
            products are the co-moments between the two groups' means.
        """
        total = self.count + number
        bridge = []
        for side in range(2):
            difference = np.asarray(means[side], np.float64) - self._mean[side]
            self._mean[side] = self._mean[side] + difference * (number / total)
            difference *= np.sqrt(self.count * (number / total))
            self._square[side] = self._square[side] + squares[side] + difference**2
            bridge.append(difference)
        self.count = total
        inputs, outputs = (ops.convert_to_tensor(difference, "float32") for difference in bridge)
        return inputs[..., None], outputs[:, :, None]

    def _add(self, row, inputs, outputs):
        """Adds the co-moments of a row of outputs.

        Args:
            row: number of the row.
            inputs: tensor (y, x, maps, images), centred.
            outputs: tensor (y, x, images, maps), centred.
        """
        # One product for each place in the window: what the row sees there is a part of the
        # inputs, while whole windows would have to be copied together.
        products = [ops.matmul(seen, outputs[row]) for seen in self._seen(row, inputs)]
        so_far = self._products[row]
        if so_far is not None:
            products = [ops.add(*both) for both in zip(so_far, products)]
        self._products[row] = products

    def _seen(self, row, inputs):
        """What a row of outputs sees at each place in the window, in the kernel's order.

        Returns:
            Iterator over parts (columns, channels, images) of the inputs.
        """
        (step_y, step_x), dilation = self.geometry.strides, self.geometry.dilation
        end = (self._mean[1].shape[1] - 1) * step_x + 1
        for dy in range(self.geometry.window[0]):
            line = inputs[row * step_y + dy * dilation[0]]
            for dx in (n * dilation[1] for n in range(self.geometry.window[1])):
                yield line[dx : dx + end : step_x]


def _centre(data, order):
    """Centres a chunk of activations (images, y, x, maps).

    Returns:
        The centred chunk as a float32 tensor, its axes in that order; its means and its sums of
        squares about them as float64 arrays (y, x, maps).
    """
    # First by an image, then by the mean of what is left: that mean is of the size of the
    # deviations, so float32 holds it whatever the offset, and an activation that does not vary
    # has a variance of exactly zero.
    pivot = np.array(data[0])
    data = ops.subtract(ops.convert_to_tensor(data), pivot)
    mean = ops.mean(data, axis=0)
    data = ops.subtract(data, mean)
    square = np.asarray(ops.convert_to_numpy(ops.sum(ops.square(data), axis=0)), np.float64)
    mean = pivot.astype(np.float64) + ops.convert_to_numpy(mean)
    return ops.transpose(data, order), mean, square


def _inverse_deviation(count, mean, square):
    """1 / sqrt(sum of squares), float32; 0 for an activation that does not vary.

    A deviation below the rounding of the mean in float32 is none: it comes from the order in
    which batches of different sizes are summed up.
    """
    floor = count * (np.finfo(np.float32).eps * mean) ** 2
    live = square > floor
    return np.where(live, 1 / np.sqrt(np.where(live, square, 1)), 0).astype(np.float32)
