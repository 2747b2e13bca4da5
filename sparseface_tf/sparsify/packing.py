"""Masks at one bit a weight, in memory and in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.files import write_atomically


def pack_mask(mask: ArrayLike) -> NDArray[np.uint8]:
    """Packs a boolean array of any shape into a uint8 vector of ceil(size / 8) bytes."""
    return np.packbits(np.asarray(mask, bool).reshape(-1))


def unpack_mask(packed: ArrayLike, shape: Sequence[int]) -> NDArray[np.bool_]:
    """The boolean array of the given shape that `pack_mask` packed.

    Raises:
        ValueError: if the number of bytes is not that of the shape.
    """
    packed, size = np.asarray(packed, np.uint8), int(np.prod(shape))
    if packed.shape != ((size + 7) // 8,):
        raise ValueError(
            f"a mask of shape {tuple(shape)} takes {(size + 7) // 8} bytes, not {packed.size}"
        )
    return np.unpackbits(packed, count=size).astype(bool).reshape(shape)


def save_masks(path: str | os.PathLike[str], masks: Mapping[str, ArrayLike]) -> None:
    """Writes masks to an .npz file, atomically.

    Args:
        path: path of the file.
        masks: dict of names to boolean arrays.
    """
    arrays: dict[str, Any] = {}
    for name, mask in masks.items():
        arrays[f"bits/{name}"] = pack_mask(mask)
        arrays[f"shape/{name}"] = np.asarray(np.shape(mask), np.int64)
    # Sparse masks take less than one bit a weight once compressed.
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def load_masks(path: str | os.PathLike[str]) -> dict[str, NDArray[np.bool_]]:
    """Reads what `save_masks` wrote.

    Returns:
        dict of names to boolean arrays.

    Raises:
        ValueError: if the file holds something else.
    """
    with np.load(path, allow_pickle=False) as file:
        names = [key.removeprefix("bits/") for key in file.files if key.startswith("bits/")]
        if len(file.files) != 2 * len(names):
            raise ValueError(f"{path} is not a file of masks")
        return {
            name: unpack_mask(file[f"bits/{name}"], tuple(file[f"shape/{name}"].tolist()))
            for name in names
        }
