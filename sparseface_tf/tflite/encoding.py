"""The sparse formats that LiteRT's kernels compute with, after TACO (Kjolstad et al. 2017).

A tensor's weights stand in rows along its last axis. Either every weight that is not zero is stored
with its place in the row (CSR), or every block of four in a row that are not all zero, with the
block's place (1 x 4). A file says so in its SparsityParameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 4  # of float32; the only one that LiteRT has a kernel for


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A sparse tensor.

    Attributes:
        shape: the tensor's shape; the last axis is a row.
        block: weights in a block, 1 (CSR) or 4.
        segments: integer array (rows + 1,), where in `indices` each row begins.
        indices: integer array (blocks,), places in the row, in blocks.
        values: array (blocks * block,).
    """

    shape: tuple[int, ...]
    block: int
    segments: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    @property
    def size(self) -> int:
        """Bytes of values and index arrays."""
        return self.segments.nbytes + self.indices.nbytes + self.values.nbytes


def encode(matrix: Any, block: int = 1, shape: Sequence[int] | None = None) -> Encoded:
    """Encodes a matrix whose zeros are not to be stored.

    Args:
        matrix: array or `scipy.sparse` matrix (rows, columns).
        block: 1 or 4; 4 must divide the columns.
        shape: shape of the tensor, of as many elements; default: the matrix'.

    Returns:
        `Encoded`, with the narrowest index types of the format: uint8, uint16 or int32.

    Raises:
        ValueError: if blocks do not divide the columns.
    """
    if matrix.dtype == np.float16:
        # SciPy has no such matrices; + 0 makes zeros of negative ones.
        encoded = encode((matrix + np.float16(0)).view(np.int16), block, shape)
        return dataclasses.replace(encoded, values=encoded.values.view(np.float16))
    # What only reads files starts without it.
    import scipy.sparse  # noqa: PLC0415

    matrix = scipy.sparse.csr_array(matrix)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    rows, columns = matrix.shape
    if columns % block:
        # LiteRT's own converter cuts the last ones off here, without a word.
        raise ValueError(f"Blocks of {block} do not divide {columns} columns: pad the matrix.")
    if block > 1:
        matrix = matrix.tobsr((1, block))
        matrix.sort_indices()
    return Encoded(
        tuple(map(int, shape or matrix.shape)),
        block,
        _narrowest(matrix.indptr),
        _narrowest(matrix.indices),
        np.ascontiguousarray(matrix.data).reshape(-1),
    )


def decode(encoded: Encoded) -> NDArray[Any]:
    """The dense tensor of an `Encoded`, the inverse of `encode`."""
    columns, block = encoded.shape[-1], encoded.block
    rows = int(np.prod(encoded.shape[:-1]))
    dense = np.zeros((rows, columns // block, block), encoded.values.dtype)
    segments = np.asarray(encoded.segments, np.int64)
    dense[np.repeat(np.arange(rows), np.diff(segments)), encoded.indices] = (
        encoded.values.reshape(-1, block)
    )
    return dense.reshape(encoded.shape)


def count_blocks(matrix: Any, block: int) -> int:
    """Blocks of a sparse matrix (rows, columns) that are not all zero; also of a ragged last one."""
    import scipy.sparse  # noqa: PLC0415, as in `encode`

    matrix = scipy.sparse.coo_array(matrix)
    rows, columns = (places[matrix.data != 0] for places in matrix.coords)
    across = -(-matrix.shape[1] // block)
    return len(np.unique(rows.astype(np.int64) * across + columns // block))


def _narrowest(numbers):
    largest = numbers.max(initial=0)
    kind = np.uint8 if largest < 1 << 8 else np.uint16 if largest < 1 << 16 else np.int32
    return numbers.astype(kind)
