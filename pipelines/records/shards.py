"""One shard: a TFRecord of faces, and the places of its records."""

import hashlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.faces.source import Faces
from pipelines.records import storage
from pipelines.records.face_cut import cut_face
from pipelines.records.reading import FOOT, HEAD


def write_shard(
    source: Faces,
    images: NDArray[np.int64],
    path: str,
    encoding: str,
    progress: Callable[[], object],
) -> None:
    """Writes a shard, and then `places_path(path)`, which says that it is complete.

    Args:
        source: source of faces.
        images: int64 array (n,), numbers of the images, in their order.
        path: the shard.
        encoding: see `write_records`.
        progress: called after each image.
    """

    def read(index):
        image, landmarks = source.load(index)
        return cut_face(image, landmarks) if encoding == "faces" else (source.content(index), landmarks)

    dataset = tf.data.Dataset.from_tensor_slices(images)
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE).prefetch(64)
    lengths, prints = [], []
    with storage.whole(path) as partial:
        with tf.io.TFRecordWriter(partial) as writer:
            for content, landmarks in dataset.as_numpy_iterator():
                example = _example(content, landmarks)
                writer.write(example)
                prints.append(tf.fingerprint([example], "farmhash64")[0].numpy())
                lengths.append(len(example))
                progress()
        sha256 = digest(partial)
    ends = np.cumsum(np.array(lengths, np.int64) + HEAD + FOOT)
    storage.save(
        places_path(path),
        offset=ends - FOOT - lengths,
        length=np.array(lengths, np.int64),
        fingerprint=np.array(prints, np.uint8),
        bytes=ends[-1],
        sha256=sha256,
    )


def places_path(path: str) -> str:
    """The file beside a shard that says where its records are, until the index does."""
    return path + ".npz"


def digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    found = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while part := file.read(1 << 22):
            found.update(part)
    return found.hexdigest()


def _example(image, landmarks):
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "landmarks": tf.train.Feature(float_list=tf.train.FloatList(value=landmarks.ravel())),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    # Otherwise the order of the two is another in every process.
    return example.SerializeToString(deterministic=True)
