"""Writes MTCNN's three networks as LiteRT files: python -m sparseface_tf.export.tflite.detector

They lie in pipelines/detection/networks, where `pipelines.detection.mtcnn` reads them. Needs the
package mtcnn, which brings the weights along; whoever detects faces needs it not.
"""

import os
from typing import Any

import keras
import tensorflow as tf

from pipelines.detection.mtcnn import FOLDER, LANDMARKS, NETWORKS, SCORE, SHIFT
from pipelines.files import write_atomically
from sparseface_tf.export.tflite.build import convert
from sparseface_tf.tflite.flatbuffer import File


def networks() -> dict[str, keras.Model]:
    """The networks of the package mtcnn with their weights, by name."""
    from mtcnn import MTCNN  # noqa: PLC0415, of the extra for tests

    return dict(zip(NETWORKS, (stage.model for stage in MTCNN().stages)))


def converted(network: Any, size: int | None) -> bytes:
    """A network as a LiteRT file in float32, for any number of images.

    Args:
        network: function of images (n, size, size, 3) to a list of tensors.
        size: pixels of a side; None for any.
    """
    images = tf.TensorSpec((None, size, size, 3), tf.float32)
    file = File(convert(tf.function(network).get_concrete_function(images)))
    names = [SHIFT, LANDMARKS, SCORE] if len(file.graph.outputs) == 3 else [SHIFT, SCORE]
    (image,) = file.graph.inputs
    file.sign({"image": image}, dict(zip(names, file.graph.outputs)))
    file.describe("MTCNN, of the package mtcnn (MIT licence), by sparseface_tf")
    return file.content()


def main() -> None:
    for name, network in networks().items():
        content = converted(network, None if name == "pnet" else NETWORKS[name])
        write_atomically(os.path.join(FOLDER, f"{name}.tflite"), lambda file: file.write(content))
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
