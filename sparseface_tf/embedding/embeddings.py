"""Features of images: computed once, kept on disk by what they were computed from."""

from __future__ import annotations

import collections
import contextlib
import glob
import hashlib
import os
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm
from absl import logging
from numpy.typing import ArrayLike, NDArray

from pipelines.batches.batches import image_batches
from pipelines.files import write_atomically
from pipelines.inspection.checking import unusable
from sparseface_tf.embedding.embedder import Embedder
from sparseface_tf.replicas import check_one_replica

# Images whose features are written at a time: what an interruption costs at most.
SHARD = 2048
BATCH = 256
# Bytes that features may take on disk: those of four million images with 512 numbers each.
LIMIT = 8 << 30
# Part of every key: to be raised when faces are cut out in another way than before.
CUT = 2


class Faces:
    """Images of a source with the key of each: its content.

    Two images with equal files and landmarks have equal keys, whatever they are called and
    wherever they lie.

    Args:
        source: source of faces.
        title: what progress bars call it.

    Attributes:
        source, title: as given.
    """

    def __init__(self, source: Any, title: str):
        self.source, self.title = source, title
        self._keys: dict[int, bytes] = {}

    def keys(self, images: NDArray[np.integer]) -> list[bytes]:
        """Keys of some images: list of bytes, from integers (n,).

        Raises:
            ValueError: if an image cannot be read, with its name.
        """
        new = np.setdiff1d(images, [*self._keys])
        if len(new):
            self._keys.update(zip(new.tolist(), self._read(new)))
        return [self._keys[int(i)] for i in images]

    def _read(self, images):
        def content(index):
            # Landmarks need no decoding: the graph leaves the image's out.
            return self.source.content(index), self.source.load(index)[1]

        contents = tf.data.Dataset.from_tensor_slices(images.astype(np.int64))
        contents = contents.map(content, num_parallel_calls=tf.data.AUTOTUNE).batch(64)
        bar = tqdm.tqdm(
            total=len(images), desc=f"reading {self.title}", unit=" images", leave=False
        )
        keys = []
        with bar, self.naming_the_image(images):
            for files, landmarks in contents.prefetch(2).as_numpy_iterator():
                for file, points in zip(files, landmarks):
                    digest = hashlib.blake2b(file, digest_size=16)
                    digest.update(points.tobytes())
                    keys.append(digest.digest())
                bar.update(len(files))
        return keys

    def naming_the_image(self, images: NDArray[np.integer]) -> AbstractContextManager[Any]:
        """Context in which TensorFlow's errors become a line that names the image."""
        return _NamingTheImage(self.source, images)


class _NamingTheImage:
    def __init__(self, source, images):
        self._source, self._images = source, images

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if not isinstance(error, (tf.errors.InvalidArgumentError, tf.errors.NotFoundError)):
            return
        for i in self._images:
            reason = unusable(self._source, int(i))
            if reason:
                raise ValueError(
                    f"{self._source.name(int(i))} cannot be used: {reason}; repair the image, or "
                    "leave it out of the test."
                ) from None


class FeatureCache:
    """Features on disk.

    A folder for each network (and region, and for mirrored faces), in it files of some thousand
    features with the keys of their images. So nothing is computed twice, an interrupted run goes
    on where it was, and data sets that share images share their features. Which file has which
    feature is looked up once; then only files are read that have one that is asked for.

    Args:
        folder: where; it is made if need be.
        limit: bytes that the files may take. What was not used for longest is removed first, when
            new features have been written.

    Attributes:
        folder, limit: as given.
    """

    def __init__(self, folder: str | os.PathLike[str], limit: int = LIMIT):
        self.folder, self.limit = os.fspath(folder), limit
        self._indices: dict[str, tuple[dict[bytes, tuple[str, int]], set[str]]] = {}

    def features(
        self, embedder: Embedder, faces: Faces, images: ArrayLike, mirrored: bool = False
    ) -> NDArray[np.float32]:
        """Features of some images.

        Args:
            embedder: `Embedder`.
            faces: `Faces`.
            images: integer array (n,), which ones.
            mirrored: those of the mirrored faces.

        Returns:
            float32 array (n, features), rows in the order of `images`.

        Raises:
            ValueError: if an image cannot be read, a feature is not finite, or the network is on
                several replicas.
            OSError: if the folder cannot be written.
        """
        check_one_replica(embedder.network, "Embedding")
        images = np.asarray(images)
        folder = os.path.join(self.folder, f"{embedder.key}-{CUT}{'-mirrored' * mirrored}")
        os.makedirs(folder, exist_ok=True)
        keys = faces.keys(images)
        known = self._read(folder, embedder.network.output_shape[-1], set(keys))
        new = {key: i for key, i in zip(keys, images) if key not in known}
        bar = tqdm.tqdm(
            total=len(images),
            initial=len(images) - len(new),
            desc=f"embedding {faces.title}{', mirrored' * mirrored}",
            unit=" images",
            leave=False,
            disable=not new,
        )
        with bar:
            waiting = list(new)
            for start in range(0, len(waiting), SHARD):
                shard = waiting[start : start + SHARD]
                rows = self._embed(embedder, faces, [new[key] for key in shard], mirrored, bar)
                # It may take the place of a damaged one.
                self._indices[folder][1].discard(_write(folder, shard, rows))
                known.update(zip(shard, rows))
        if new:
            self._evict()
        return np.stack([known[key] for key in keys])

    def _read(self, folder, size, wanted):
        """Dict from key to feature, of the wanted keys. Files without any of them are not read."""
        index, known = self._index(folder, size), {}
        rows_in = collections.defaultdict(list)
        for key in wanted:
            if key in index:
                rows_in[index[key][0]].append((key, index[key][1]))
        for path, rows in rows_in.items():
            features = _opened(path, size, "features")
            if features is not None:
                known.update((key, features[row].copy()) for key, row in rows)
        return known

    def _index(self, folder, size):
        """Dict from key to (path, row) of all features in a folder; only new files are looked at."""
        index, seen = self._indices.setdefault(folder, ({}, set()))
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".npz") or name in seen:
                continue
            seen.add(name)
            path = os.path.join(folder, name)
            keys = _opened(path, size, "keys")
            if keys is not None:
                index.update((bytes(key), (path, row)) for row, key in enumerate(keys))
        return index

    def _evict(self):
        """Removes files, the one that was not used for longest first, until they fit the limit."""
        files = []
        for path in glob.glob(os.path.join(glob.escape(self.folder), "**", "*.npz"), recursive=True):
            with contextlib.suppress(FileNotFoundError):  # another process evicts too
                found = os.stat(path)
                files.append((found.st_mtime_ns, found.st_size, path))
        total = sum(size for _, size, _ in files)
        # The newest stays, however large it is.
        for _, size, path in sorted(files)[:-1]:
            if total <= self.limit:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= size

    def _embed(self, embedder, faces, images, mirrored, bar):
        batches = image_batches(
            faces.source, images, batch=BATCH, region=embedder.region, mirrored=mirrored
        )
        parts = []
        with faces.naming_the_image(images):
            for batch in batches:
                parts.append(np.asarray(embedder.network.predict_on_batch(batch), np.float32))
                bar.update(len(batch))
        features = np.concatenate(parts)
        bad = np.flatnonzero(~np.isfinite(features).all(1))
        if len(bad):
            raise ValueError(
                f"{embedder.path} gives features that are not finite, for {len(bad)} of "
                f"{len(images)} images, the first is {faces.source.name(int(images[bad[0]]))}: the "
                "network is broken."
            )
        return features


def _opened(path, size, part):
    """The "keys" or "features" of a file, which counts as used now; None if it cannot be used.

    Args:
        path: the file.
        size: numbers in a feature.
        part: which array.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            array = file[part]
        columns = {"keys": 16, "features": size}[part]
        if array.ndim != 2 or array.shape[1] != columns:
            raise ValueError("of another shape")
        if part == "features":
            os.utime(path)
    except FileNotFoundError:  # evicted since
        return None
    except Exception as error:  # NumPy and zipfile raise all kinds
        logging.warning("%s is damaged and not used: %s", path, error)
        return None
    return array


def _write(folder, keys, features):
    # Named by the keys, so that two processes may write the same at once.
    name = hashlib.blake2b(b"".join(keys), digest_size=16).hexdigest()
    keys = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)
    write_atomically(
        os.path.join(folder, f"{name}.npz"),
        lambda file: np.savez(file, keys=keys, features=features),
    )
    return f"{name}.npz"
