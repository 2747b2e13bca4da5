"""Running TFLite files by LiteRT, in this process or in a child process that may crash."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.child import run_on_file

# Entry of a file's metadata with what evaluate.py, an app and a reader need to know: JSON.
METADATA = "sparseface_tf"
WORKER = os.path.join(os.path.dirname(__file__), "litert_worker.py")


class LiteRTNetwork:
    """A TFLite file in the place of a Keras model that embeds.

    Args:
        content: the file, bytes.
        center, scale: of a file that takes pixels, how training normalised them.
        threads: threads of the interpreter.

    Attributes:
        input_shape, output_shape: like a Keras model's, with None for the number of images.

    Raises:
        ValueError: if LiteRT does not load it, or it is no network from an image to an embedding.
    """

    def __init__(
        self, content: bytes, center: float = 127.5, scale: float = 128.0, threads: int = 1
    ):
        # Of an extra, and of no use where networks are Keras models.
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._run = self._interpreter.get_signature_runner()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"LiteRT does not load it: {' '.join(str(error).split())}") from None
        inputs, outputs = self._run.get_input_details(), self._run.get_output_details()
        if [*inputs] != ["image"] or [*outputs] != ["embedding"]:
            raise ValueError(
                f"its signature maps {', '.join(inputs)} to {', '.join(outputs)}, not image to "
                "embedding"
            )
        self._dtype = inputs["image"]["dtype"]
        self._center, self._scale = center, scale
        self.input_shape = (None, *map(int, inputs["image"]["shape"][1:]))
        self.output_shape = (None, *map(int, outputs["embedding"]["shape"][1:]))

    def predict_on_batch(self, images: ArrayLike) -> NDArray[np.float32]:
        """Features, float32 (n, features), of images (n, height, width, channels).

        Images are normalised as for training also where the file takes pixels: they are brought
        back to these.
        """
        images = np.asarray(images)
        if self._dtype == np.uint8 and images.dtype != np.uint8:
            images = to_pixels(images, self._center, self._scale)
        return np.concatenate(
            [self._run(image=image[None].astype(self._dtype))["embedding"] for image in images]
        )


def to_pixels(
    images: NDArray[np.floating], center: float = 127.5, scale: float = 128.0
) -> NDArray[np.uint8]:
    """Normalised images as uint8."""
    return np.clip(np.rint(images * scale + center), 0, 255).astype(np.uint8)


def run_in_child(content: bytes, images: NDArray[Any]) -> NDArray[np.float32]:
    """Runs a file in a process of its own: some broken files bring theirs down.

    Args:
        content: the file, bytes.
        images: array (n, height, width, channels) of the file's input type.

    Returns:
        float32 array (n, features).

    Raises:
        ValueError: if LiteRT refuses the file or crashes, in one line.
    """
    with tempfile.TemporaryDirectory(prefix="litert") as folder:
        np.save(os.path.join(folder, "images.npy"), images)
        _child(folder, content, {"task": "run"})
        return np.load(os.path.join(folder, "features.npy"), allow_pickle=False)


def time_in_child(content: bytes, threads: int = 1, seconds: float = 3.0) -> dict[str, float]:
    """Time and memory of a file, alone in a process.

    Args:
        content: the file, bytes.
        threads: threads of LiteRT.
        seconds: how long to measure, after a warm-up.

    Returns:
        Dict: "milliseconds", median of one image; "fastest"; "runs"; "peak_memory", bytes that
        loading and running the file added to what the process had before.

    Raises:
        ValueError: as `run_in_child`.
    """
    with tempfile.TemporaryDirectory(prefix="litert") as folder:
        job = {"task": "time", "threads": threads, "seconds": seconds}
        return json.loads(_child(folder, content, job))


def time_parts_in_child(parts: Sequence[bytes], seconds: float = 3.0) -> list[float]:
    """Times of several files, run in turn by one thread of one process.

    Args:
        parts: the files.
        seconds: how long to measure all of them together.

    Returns:
        Milliseconds of the fastest run of each.

    Raises:
        ValueError: as `run_in_child`.
    """
    with tempfile.TemporaryDirectory(prefix="litert") as folder:
        for k, part in enumerate(parts):
            with open(os.path.join(folder, f"part{k}.tflite"), "wb") as file:
                file.write(part)
        job = {"task": "parts", "count": len(parts), "seconds": seconds}
        return json.loads(run_on_file(WORKER, folder, json.dumps(job), runtime="LiteRT"))


def _child(folder, content, job):
    """What the worker prints on a job."""
    with open(os.path.join(folder, "model.tflite"), "wb") as file:
        file.write(content)
    return run_on_file(WORKER, folder, json.dumps(job), runtime="LiteRT")
