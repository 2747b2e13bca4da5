"""Faces in sharded TFRecords: read in long stretches, whatever their number.

A folder of records holds shards, files of a few thousand images each, and an index. Images of an
identity stand together by twos, and the twos are shuffled over all shards: so some shards read one
after the other hold a sample of the whole set, with pairs of the same identity in it. Training
reads a window of as many shards as fit into some memory and draws its pairs from there; the next
epoch puts other shards together.
"""

import json
import os
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.faces.images import decode as decode_image
from pipelines.faces.images import refuse
from pipelines.faces.orientation import upright
from pipelines.records import storage

FORMAT = 1
INDEX, IMAGES = "index.json", "images.npz"
# A TFRecord stands between its length and the length's checksum, and its own checksum.
HEAD, FOOT = 12, 4
FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "landmarks": tf.io.FixedLenFeature([5, 2], tf.float32),
}


class RecordFaces:
    """Faces in a folder that `write_records` wrote.

    Args:
        path: the folder; any path that `tf.io.gfile` reads.

    Attributes:
        identities: list of the identities' names, sorted.
        labels: int32 array (n,), for every image its identity, ascending.
        shards: list of dicts with "file", "images" and "bytes", in order.
        shard: int32 array (n,), for every image its shard.
        row: int32 array (n,), its place there.

    Raises:
        FileNotFoundError: if there is no index.
        ValueError: if a shard is missing or has not the size that the index says.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = path = os.fspath(path)
        index = read_index(path)
        self.identities, self.shards = index["identities"], index["shards"]
        arrays = _read_images(os.path.join(path, IMAGES))
        self.labels, self.shard, self.row = (arrays[k] for k in ("labels", "shard", "row"))
        offsets, lengths, prints = (arrays[k] for k in ("offset", "length", "fingerprint"))
        self._names = arrays["names"]
        for shard in self.shards:
            file = os.path.join(path, shard["file"])
            size = tf.io.gfile.stat(file).length if tf.io.gfile.exists(file) else None
            if size != shard["bytes"]:
                found = "is missing" if size is None else f"has {size:,} bytes"
                raise ValueError(
                    f"{file} {found}; the index says {shard['bytes']:,}: copy it again, or write the "
                    "records anew."
                )
        with tf.device("CPU"):
            self._files = tf.constant([os.path.join(path, s["file"]) for s in self.shards])
            self._where = tf.constant(np.stack([self.shard, offsets, lengths], 1).astype(np.int64))
            self._prints = tf.constant(prints)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """Name of image i, "IDENTITY/IMAGE"."""
        return self._names[int(i)].decode("utf-8")

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The image as a PNG file, a string tensor."""
        return tf.io.encode_png(self.load(index)[0])

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one image from the middle of its shard; see `FolderFaces.load`.

        Raises:
            tf.errors.OpError: if the record is damaged.
        """
        shard, offset, length = tf.unstack(tf.gather(self._where, index))
        file = tf.gather(self._files, shard)
        # With its length, which the writer put before it.
        read = [file, offset - HEAD, HEAD + length]
        content = tf.ensure_shape(tf.numpy_function(_read_at, read, tf.string), ())
        told = tf.io.decode_raw(content, tf.uint8, fixed_length=8)
        told = tf.bitcast(told, tf.int64)
        wrong = _damage((told != length) | (tf.strings.length(content) < HEAD), file)
        with tf.control_dependencies([wrong]):
            example = tf.strings.substr(content, HEAD, -1)
        return decode(self._checked(example, index, file))

    def examples(self, shard: tf.Tensor, images: tf.Tensor) -> tf.data.Dataset:
        """Records of one shard, which is read whole; runs in a tf.data graph.

        Args:
            shard: scalar integer tensor, its number.
            images: integer tensor (n,), numbers of images that it has.

        Returns:
            Dataset of n serialised records, scalar strings, in the order of the images.

        Raises:
            tf.errors.OpError: if one is damaged; its message names the shard.
        """
        file = tf.gather(self._files, shard)
        content = tf.io.read_file(file)

        def cut(image):
            _, offset, length = tf.unstack(tf.gather(self._where, image))
            return self._checked(tf.strings.substr(content, offset, length), image, file)

        return tf.data.Dataset.from_tensor_slices(images).map(cut)

    def _checked(self, example, image, file):
        """A record that fits its checksum, or an error that names the shard."""
        found = tf.fingerprint(example[None], "farmhash64")[0]
        wrong = tf.reduce_any(found != tf.gather(self._prints, image))
        with tf.control_dependencies([_damage(wrong, file)]):
            return tf.identity(example)


def _damage(condition, file):
    shard = tf.strings.regex_replace(file, ".*/", "")
    parts = ["the record does not fit its checksum: ", shard, " is damaged; records --verify looks at all"]
    return refuse(condition, tf.strings.join(parts))


def _read_at(file, offset, length):
    # Bytes in a graph, an array of them outside.
    with tf.io.gfile.GFile(np.asarray(file).item().decode(), "rb") as opened:
        opened.seek(int(offset))
        return opened.read(int(length))


def decode(example: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Image uint8 (h, w, 3) and landmarks float32 (5, 2) of a serialised record.

    Of a file that was kept as it is, an image without landmarks is turned as its EXIF data says.
    """
    features = tf.io.parse_single_example(example, FEATURES)
    content, landmarks = features["image"], features["landmarks"]
    unknown = tf.reduce_any(tf.math.is_nan(landmarks))
    return upright(decode_image(content), content, unknown), landmarks


_ANEW = "copy it again, or write the records into another folder"
_COLUMNS = ("labels", "shard", "row", "offset", "length", "fingerprint", "names")


def _read_images(file: str) -> dict[str, np.ndarray]:
    """What is known of every image, see `write_records`; ValueError if the file is damaged."""
    if not tf.io.gfile.exists(file):
        raise ValueError(f"{file} is missing: {_ANEW}.")
    try:
        arrays = storage.load(file)
        if len({len(arrays[name]) for name in _COLUMNS}) != 1:
            raise ValueError("its parts are of several lengths")
        return arrays
    except Exception as error:  # NumPy and zipfile raise all kinds
        raise ValueError(f"{file} is damaged ({error}): {_ANEW}.") from None


def read_index(path: str | os.PathLike) -> dict[str, Any]:
    """The content of a folder's index.json.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is of another format.
    """
    file = os.path.join(path, INDEX)
    if not tf.io.gfile.exists(file):
        raise FileNotFoundError(
            f"No {INDEX} in {path}: these are no records, or their writing was interrupted; the "
            "same command goes on with it."
        )
    try:
        with tf.io.gfile.GFile(file) as opened:
            index = json.load(opened)
        if not isinstance(index, dict):
            raise ValueError("no object")
    except ValueError as error:  # JSON and Unicode
        raise ValueError(f"{file} is damaged ({error}): {_ANEW}.") from None
    if index.get("format") != FORMAT:
        raise ValueError(f"{file} is of format {index.get('format')}; this program reads {FORMAT}.")
    return index
