"""Faces written as sharded TFRecords, and checked."""

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from numpy.typing import NDArray
from tqdm import tqdm

from pipelines.faces.source import Faces
from pipelines.records import storage
from pipelines.records.encodings import ENCODINGS
from pipelines.records.plan import plan_shards
from pipelines.records.reading import FORMAT, IMAGES, INDEX, read_index
from pipelines.records.shards import digest, places_path, write_shard

SETTINGS = "settings.json"


def write_records(
    source: Faces,
    path: str | os.PathLike,
    *,
    images_per_shard: int = 2048,
    group: int = 2,
    seed: int = 0,
    encoding: str = "faces",
    progress: bool = True,
) -> None:
    """Writes a source of faces as a folder that `RecordFaces` reads.

    Shards are written one by one, each wholly or not at all; the index comes last. The same call
    goes on where it was interrupted, and what it leaves is then the same to the byte.

    Args:
        source: source of faces, with nothing in it that cannot be read (`check_images`).
        path: the folder; any path that `tf.io.gfile` writes.
        images_per_shard, group, seed: see `plan_shards`.
        encoding: "faces" keeps what is near each face, upright (see `cut_face`), which is faster to
            read whatever the photographs' size; "original" keeps the images' files as they are.
        progress: show a progress bar.

    Raises:
        ValueError: if other records are in the folder, or encoding is unknown.
        OSError, tf.errors.OpError: if the folder cannot be written, or an image not be read.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}, got '{encoding}'.")
    if images_per_shard < 2 or group < 2:
        raise ValueError(
            f"images_per_shard and group must be at least 2, got {images_per_shard} and {group}."
        )
    path = os.fspath(path)
    shards = plan_shards(source.labels, images_per_shard, group, seed)
    names = [source.name(i) for i in range(len(source))]
    settings = {
        "format": FORMAT,
        "encoding": encoding,
        "images_per_shard": images_per_shard,
        "group": group,
        "seed": seed,
        "source": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }
    _claim(path, settings)
    if tf.io.gfile.exists(os.path.join(path, INDEX)):
        logging.info("%s is complete.", path)
    else:
        files = [f"faces-{k:05d}-of-{len(shards):05d}.tfrecord" for k in range(len(shards))]
        places = _write_shards(source, shards, files, path, encoding, progress)
        _write_images(source, names, shards, places, path)
        _write_index(source, settings, shards, files, places, path)
    _tidy(path)


def verify_records(path: str | os.PathLike, *, progress: bool = True) -> list[str]:
    """Compares the shards of a folder with their checksums.

    Args:
        path: the folder.
        progress: show a progress bar.

    Returns:
        Names of the shards whose content does not fit their checksum.

    Raises:
        FileNotFoundError: if there is no index, or a shard is missing.
        ValueError: if the index is of another format.
    """
    shards = tqdm(
        read_index(path)["shards"], desc="Verifying records", unit=" shards", disable=not progress
    )
    return [s["file"] for s in shards if digest(os.path.join(path, s["file"])) != s["sha256"]]


def _claim(path: str, settings: dict[str, Any]) -> None:
    """Makes the folder that of these records; ValueError if it is that of others."""
    tf.io.gfile.makedirs(path)
    claim = os.path.join(path, SETTINGS)
    if not tf.io.gfile.exists(claim):
        # All that a run that was killed can have left so far.
        if set(tf.io.gfile.listdir(path)) - {SETTINGS + storage.PARTIAL}:
            raise ValueError(f"{path} is not empty and holds no records: choose another folder.")
        storage.write(claim, json.dumps(settings, indent=1).encode())
        return
    with tf.io.gfile.GFile(claim) as file:
        theirs = json.load(file)
    differences = [k for k in settings if settings[k] != theirs.get(k)]
    if differences:
        raise ValueError(
            f"{path} holds records of another {' and '.join(differences)}: choose another folder."
        )


def _write_shards(
    source: Faces,
    shards: Sequence[NDArray[np.int64]],
    files: Sequence[str],
    path: str,
    encoding: str,
    progress: bool,
) -> list[dict[str, np.ndarray]]:
    """Writes the shards that are not there yet, and returns what `write_shard` says of each."""
    places = []
    with tqdm(
        total=len(source), desc="Writing records", unit=" images", disable=not progress
    ) as bar:
        for file, images in zip(files, shards):
            shard = os.path.join(path, file)
            if tf.io.gfile.exists(places_path(shard)):
                bar.update(len(images))
            else:
                write_shard(source, images, shard, encoding, bar.update)
            places.append(storage.load(places_path(shard)))
    return places


def _write_images(
    source: Faces,
    names: Sequence[str],
    shards: Sequence[NDArray[np.int64]],
    places: Sequence[dict[str, np.ndarray]],
    path: str,
) -> None:
    """Writes what is known of every image: its name, its identity, and where it stands."""
    columns = {
        "shard": np.repeat(np.arange(len(shards), dtype=np.int32), [len(s) for s in shards]),
        "row": np.concatenate([np.arange(len(s), dtype=np.int32) for s in shards]),
        **{
            name: np.concatenate([each[name] for each in places])
            for name in ("offset", "length", "fingerprint")
        },
    }
    back = np.argsort(np.concatenate(shards))
    storage.save(
        os.path.join(path, IMAGES),
        labels=source.labels,
        names=np.array([name.encode("utf-8") for name in names]),
        **{name: column[back] for name, column in columns.items()},
    )


def _write_index(
    source: Faces,
    settings: dict[str, Any],
    shards: Sequence[NDArray[np.int64]],
    files: Sequence[str],
    places: Sequence[dict[str, np.ndarray]],
    path: str,
) -> None:
    """Writes the index, which says that the records are complete."""
    index = {
        **settings,
        "images": len(source),
        "identities": list(source.identities),
        "shards": [
            {
                "file": file,
                "images": len(images),
                "bytes": int(each["bytes"]),
                "sha256": str(each["sha256"]),
            }
            for file, images, each in zip(files, shards, places)
        ],
    }
    content = json.dumps(index, indent=1, ensure_ascii=False).encode()
    storage.write(os.path.join(path, INDEX), content)


def _tidy(path: str) -> None:
    """Removes what only the writing needed, of this run and of those that were killed."""
    places = {places_path(shard["file"]) for shard in read_index(path)["shards"]}
    for name in tf.io.gfile.listdir(path):
        if name in places or name.endswith(storage.PARTIAL):
            tf.io.gfile.remove(os.path.join(path, name))
