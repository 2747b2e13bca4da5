"""Faces written as sharded TFRecords, and checked."""

import hashlib
import io
import json
import os

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from pipelines.records.face_cut import cut_face
from pipelines.records.reading import FOOT, FORMAT, HEAD, IMAGES, INDEX, read_index

ENCODINGS = ("faces", "original")


def plan_shards(labels, images_per_shard, group, seed):
    """Which images stand in which shard, in order.

    Args:
        labels: integer array (n,), ascending.
        images_per_shard: about as many images a shard.
        group: about as many images of an identity stand together; no group of an identity with
            several images has only one.
        seed: integer.

    Returns:
        List of int64 arrays, the numbers of the images in each shard.
    """
    generator = np.random.default_rng([seed, 3])
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    groups = []
    for images in np.split(np.arange(len(labels)), starts[1:]):
        images = generator.permutation(images)
        number = min(round(len(images) / group), len(images) // 2)
        groups += np.array_split(images, max(1, number))
    order = generator.permutation(len(groups))
    shards = max(1, round(len(labels) / images_per_shard))
    # A shard ends with the group in which its share is complete.
    ends = np.cumsum([len(groups[g]) for g in order])
    of_shard = np.minimum((ends - 1) * shards // len(labels), shards - 1)
    parts = [[groups[g] for g in order[of_shard == shard]] for shard in range(shards)]
    return [np.concatenate(part) for part in parts if part]


def write_records(
    source, path, *, images_per_shard=2048, group=2, seed=0, encoding="faces", progress=True
):
    """Writes a source of faces as a folder that `RecordFaces` reads.

    Shards are written one by one, each wholly or not at all; the index comes last. The same call
    goes on where it was interrupted.

    Args:
        source: source of faces, with nothing in it that cannot be read (`check_images`).
        path: the folder; any path that `tf.io.gfile` writes.
        images_per_shard, group, seed: see `plan_shards`.
        encoding: "faces" keeps what is near each face, upright (see `cut_face`), which is faster to
            read whatever the photographs' size; "original" keeps the images' files as they are.
        progress: show a progress bar.

    Raises:
        ValueError: if other records are in the folder, or encoding is unknown.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}, got '{encoding}'.")
    if images_per_shard < 2 or group < 2:
        raise ValueError(
            f"images_per_shard and group must be at least 2, got {images_per_shard} and {group}."
        )
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
        return
    written = {}
    with tqdm(
        total=len(source), desc="Writing records", unit=" images", disable=not progress
    ) as bar:
        for number, images in enumerate(shards):
            file = f"faces-{number:05d}-of-{len(shards):05d}.tfrecord"
            if not tf.io.gfile.exists(os.path.join(path, file + ".npz")):
                _write_shard(source, images, path, file, encoding, bar)
            else:
                bar.update(len(images))
            written[file] = _entries(path, file)

    where = np.concatenate(shards)
    back = np.argsort(where)
    columns = {
        "shard": np.repeat(np.arange(len(shards), dtype=np.int32), [len(s) for s in shards]),
        "row": np.concatenate([np.arange(len(s), dtype=np.int32) for s in shards]),
        **{
            name: np.concatenate([entries[name] for entries in written.values()])
            for name in ("offset", "length", "fingerprint")
        },
    }
    columns = {name: column[back] for name, column in columns.items()}
    _save(os.path.join(path, IMAGES), labels=source.labels, names=_bytes(names), **columns)
    index = {
        **settings,
        "images": len(source),
        "identities": list(source.identities),
        "shards": [
            {
                "file": file,
                "images": len(images),
                "bytes": int(entries["bytes"]),
                "sha256": str(entries["sha256"]),
            }
            for (file, entries), images in zip(written.items(), shards)
        ],
    }
    _write(os.path.join(path, INDEX), json.dumps(index, indent=1, ensure_ascii=False).encode())
    for file in written:
        tf.io.gfile.remove(os.path.join(path, file + ".npz"))


def verify_records(path, *, progress=True):
    """Names of the shards whose content does not fit their checksum, a list."""
    damaged = []
    for shard in tqdm(
        read_index(path)["shards"], desc="Verifying records", unit=" shards", disable=not progress
    ):
        digest = hashlib.sha256()
        with tf.io.gfile.GFile(os.path.join(path, shard["file"]), "rb") as file:
            while part := file.read(1 << 22):
                digest.update(part)
        if digest.hexdigest() != shard["sha256"]:
            damaged.append(shard["file"])
    return damaged


def _claim(path, settings):
    """Makes the folder that of these records; ValueError if it is that of others."""
    tf.io.gfile.makedirs(path)
    claim = os.path.join(path, "settings.json")
    if not tf.io.gfile.exists(claim):
        if tf.io.gfile.listdir(path):
            raise ValueError(f"{path} is not empty and holds no records: choose another folder.")
        _write(claim, json.dumps(settings, indent=1).encode())
        return
    with tf.io.gfile.GFile(claim) as file:
        theirs = json.load(file)
    differences = [k for k in settings if settings[k] != theirs.get(k)]
    if differences:
        raise ValueError(
            f"{path} holds records of another {' and '.join(differences)}: choose another folder."
        )


def _write_shard(source, images, path, file, encoding, bar):
    def read(index):
        image, landmarks = source.load(index)
        return cut_face(image, landmarks) if encoding == "faces" else (source.content(index), landmarks)

    dataset = tf.data.Dataset.from_tensor_slices(images)
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(64)
    lengths, examples = [], []
    partial = os.path.join(path, f".{file}.partial")
    digest = hashlib.sha256()
    with tf.io.TFRecordWriter(partial) as writer:
        for content, landmarks in dataset.as_numpy_iterator():
            example = _example(content, landmarks)
            writer.write(example)
            examples.append(tf.fingerprint([example], "farmhash64")[0].numpy())
            lengths.append(len(example))
            bar.update()
    with tf.io.gfile.GFile(partial, "rb") as written:
        while part := written.read(1 << 22):
            digest.update(part)
    tf.io.gfile.rename(partial, os.path.join(path, file), overwrite=True)
    lengths = np.array(lengths, np.int64)
    ends = np.cumsum(lengths + HEAD + FOOT)
    _save(
        os.path.join(path, file + ".npz"),
        offset=ends - FOOT - lengths,
        length=lengths,
        fingerprint=np.array(examples, np.uint8),
        bytes=ends[-1],
        sha256=digest.hexdigest(),
    )


def _example(image, landmarks):
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "landmarks": tf.train.Feature(float_list=tf.train.FloatList(value=landmarks.ravel())),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _entries(path, file):
    with tf.io.gfile.GFile(os.path.join(path, file + ".npz"), "rb") as opened:
        return dict(np.load(io.BytesIO(opened.read()), allow_pickle=False))


def _bytes(names):
    return np.array([name.encode("utf-8") for name in names])


def _save(path, **arrays):
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    _write(path, content.getvalue())


def _write(path, content):
    """Writes a file that is there wholly or not at all, on any file system of `tf.io.gfile`."""
    partial = f"{path}.partial"
    with tf.io.gfile.GFile(partial, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(partial, path, overwrite=True)
