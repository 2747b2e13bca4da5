"""Features of images: computed once, kept on disk by what they were computed from."""

from __future__ import annotations

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
# Part of every key: to be raised when faces are cut out in another way than before.
CUT = 1


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
    on where it was, and data sets that share images share their features.

    Args:
        folder: where; it is made if need be.

    Attributes:
        folder: as given.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = os.fspath(folder)

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
                _write(folder, shard, rows)
                known.update(zip(shard, rows))
        return np.stack([known[key] for key in keys])

    def _read(self, folder, size, wanted):
        """Dict from key to feature, of the wanted keys."""
        known = {}
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".npz"):
                continue
            path = os.path.join(folder, name)
            try:
                with np.load(path, allow_pickle=False) as file:
                    keys, rows = file["keys"], file["features"]
                if keys.shape != (len(rows), 16) or rows.shape != (len(keys), size):
                    raise ValueError("of another shape")
            except Exception as error:  # NumPy and zipfile raise all kinds
                logging.warning("%s is damaged and not used: %s", path, error)
                continue
            keys = map(bytes, keys)
            known.update((key, row) for key, row in zip(keys, rows) if key in wanted)
        return known

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


def _write(folder, keys, features):
    # Named by the keys, so that two processes may write the same at once.
    name = hashlib.blake2b(b"".join(keys), digest_size=16).hexdigest()
    keys = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)
    write_atomically(
        os.path.join(folder, f"{name}.npz"),
        lambda file: np.savez(file, keys=keys, features=features),
    )
