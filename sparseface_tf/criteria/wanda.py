"""Wanda: magnitude times the size of the input (beyond the paper)."""

import dataclasses

import keras
import numpy as np

from sparseface_tf.criteria.base import Criterion, kernel_of, mask_of
from sparseface_tf.criteria.images import image_batches_of
from sparseface_tf.criteria.ranking import keep_largest
from sparseface_tf.replicas import check_one_replica
from sparseface_tf.sparsify import layer_geometry
from sparseface_tf.uses import tensors_of


@dataclasses.dataclass(frozen=True)
class Wanda(Criterion):
    """The largest |w| · ‖x‖ of each output neuron, x being the input over all images.

    Sun, Liu, Bair and Kolter, "A Simple and Effective Pruning Approach for Large Language
    Models" (2024). Weights are compared within an output neuron; a position of a locally
    connected layer has neurons of its own. In a convolution ‖x‖ is over images and positions,
    zeros of the padding included.
    """

    name = "wanda"
    images = "held_out"

    def scores(self, model, layer_name, batches, *, seed=0, progress=False):
        layer = model.get_layer(layer_name)
        geometry = layer_geometry(layer, model)
        below = keras.Model(model.inputs, tensors_of(model, layer)[0])
        check_one_replica(below, "The criterion wanda")
        if keras.backend.backend() == "tensorflow":
            # XLA's convolutions on a CPU are several times slower than TensorFlow's own.
            below.jit_compile = False
        squares = np.zeros(geometry.inputs)
        for images in image_batches_of(batches, progress and f"{self.name} {layer_name}"):
            inputs = np.asarray(below.predict_on_batch(images), np.float32)
            squares += np.square(inputs).sum(axis=0, dtype=np.float64).reshape(geometry.inputs)
        norms = np.sqrt(_of_windows(geometry, squares)).astype(np.float32)
        return np.abs(kernel_of(layer)) * norms

    def select(self, scores, layer, density, *, block=1, seed=0):
        geometry = layer_geometry(layer)
        positions = geometry.positions if geometry.kind == "local" else 1
        neurons = (positions, geometry.fan_in, geometry.filters)
        allowed = mask_of(layer)
        mask = keep_largest(
            scores.reshape(neurons),
            density,
            allowed=None if allowed is None else allowed.reshape(neurons),
            block=block,
            per_neuron=True,
            rng=np.random.default_rng(seed),
        )
        return mask.reshape(scores.shape)


def _of_windows(geometry, squares):
    """Sums of squares of what each weight sees: an array that broadcasts to the kernel's shape."""
    places = []
    for seen in geometry.views(squares):
        places.append(seen.sum(axis=(0, 1)) if geometry.kind == "conv" else seen)
    if geometry.kind == "conv":
        return np.reshape(places, (*geometry.window, -1, 1))
    if geometry.kind == "dense":
        return np.reshape(places, (-1, 1))
    height, width, _ = geometry.outputs
    return np.stack(places, axis=2).reshape(height, width, *geometry.window, -1, 1)
