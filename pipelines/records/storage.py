"""Files that are there wholly or not at all, on any file system of `tf.io.gfile`."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from pipelines.files import sync_folder

PARTIAL = ".partial"


@contextlib.contextmanager
def whole(path: str) -> Iterator[str]:
    """Gives the name of a file to write, which becomes `path` when it is written.

    What a run that was killed has left of it is written anew. On a local disk the content is there
    to stay before the name is, so no power cut leaves a name without its content.
    """
    partial = path + PARTIAL
    yield partial
    _sync(partial)
    tf.io.gfile.rename(partial, path, overwrite=True)
    _sync(os.path.dirname(path))


def write(path: str, content: bytes) -> None:
    """Writes a file."""
    with whole(path) as partial, tf.io.gfile.GFile(partial, "wb") as file:
        file.write(content)


def save(path: str, **arrays: ArrayLike) -> None:
    """Writes arrays by their names, as NumPy's .npz; the same arrays make the same file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without the time, which NumPy would note
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    write(path, content.getvalue())


def load(path: str) -> dict[str, np.ndarray]:
    """Arrays that `save` wrote."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return dict(np.load(io.BytesIO(file.read()), allow_pickle=False))


def _sync(path: str) -> None:
    """Brings a local file's content, or the names in a folder, to the disk."""
    if "://" in path:
        return  # an object store does so itself when a file is closed
    if os.path.isdir(path or "."):
        sync_folder(path or ".")
    else:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
