"""Parameters and multiply-adds of a network, exact, layer by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import ArrayLike

from sparseface_tf.channels.flow import Flow
from sparseface_tf.channels.slicing import cut, parts_of
from sparseface_tf.channels.width import prefixes


@dataclasses.dataclass(frozen=True)
class Count:
    """What one layer, or a whole network, has and does for one image.

    Zeros that pad a map count as inputs, as in TensorFlow's profiler. A batch normalisation is
    counted as it computes when it is used, one multiply-add (scale and shift) a value; most
    publications, and TensorFlow's profiler, leave it out, as they do activations and pooling, which
    are not counted here either.

    Attributes:
        name: of the layer.
        kind: class of the layer.
        parameters: numbers that are kept: those of dropped connections and of masks are not among
            them, moving means and variances are.
        dense_parameters: with the dropped ones.
        trainable: of `parameters`, those that training changes.
        multiply_adds: products with a weight that is kept, each with its addition.
        dense_multiply_adds: with the dropped ones.
        additions: of biases.
        scalings: multiply-adds of batch normalisations, in `multiply_adds` of no layer.
    """

    name: str
    kind: str
    parameters: int = 0
    dense_parameters: int = 0
    trainable: int = 0
    multiply_adds: int = 0
    dense_multiply_adds: int = 0
    additions: int = 0
    scalings: int = 0

    @property
    def operations(self) -> int:
        """Multiplications and additions apart, as TensorFlow's profiler counts them."""
        return 2 * self.multiply_adds + self.additions


def count(model: keras.Model, kept: Mapping[str, ArrayLike] | None = None) -> dict[str, Count]:
    """Counts a network, as it is or as it would be with some of its channels.

    Args:
        model: functional model of fixed input size, each layer used once.
        kept: dict from names of layers to the numbers of channels that they keep, as
            `sparseface_tf.channels.sliced` takes it; default: all.

    Returns:
        Dict from names of layers to `Count`, of those that have weights.

    Raises:
        ValueError: for channels that the layers have not, and for models in the model.
    """
    flow = Flow(model, kept or {})
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise ValueError(f"layer '{layer.name}' is a model itself: give one without models.")
        if layer.name in flow.inputs and layer.weights:
            found[layer.name] = _count(layer, flow.inputs[layer.name], flow.outputs[layer.name])
    return found


def counts_at_width(model: keras.Model, width: float, multiple: int = 1) -> dict[str, Count]:
    """What `count` says about `at_width(model, width, multiple)`, without building it."""
    return count(model, prefixes(model, width, multiple))


def total(counts: Mapping[str, Count]) -> Count:
    """The sum over the layers of what `count` returned, a `Count`."""
    fields = [field.name for field in dataclasses.fields(Count)[2:]]
    sums = {name: sum(getattr(each, name) for each in counts.values()) for name in fields}
    return Count("total", "", **sums)


def _count(layer, inputs, outputs):
    dense, kept, trainable, weights = 0, 0, 0, 0
    sizes = {}
    for variable, axes in zip(layer.variables, parts_of(layer, inputs, outputs), strict=True):
        if "seed" in variable.path or variable.name == "mask":
            continue
        shape = [len(axes.get(axis, range(n))) for axis, n in enumerate(variable.shape)]
        size = stays = math.prod(shape)
        if variable.name == "kernel" and hasattr(layer, "assign_mask"):
            stays = int(np.count_nonzero(cut(keras.ops.convert_to_numpy(layer.mask), axes)))
        sizes[variable.name] = size
        dense, kept = dense + size, kept + stays
        trainable += stays if variable.trainable else 0
        weights = stays if variable.name == "kernel" else weights
    values = math.prod(layer.output.shape[1:-1]) * len(outputs)
    common = (layer.name, type(layer).__name__, kept, dense, trainable)
    if isinstance(layer, keras.layers.BatchNormalization):
        return Count(*common, scalings=values)
    if "kernel" not in sizes:
        return Count(*common)
    # How often each weight is used for an image.
    local = len(layer.kernel.shape) == 6
    uses = 1 if local else math.prod(layer.output.shape[1:-1])
    additions = values if "bias" in sizes else 0
    return Count(*common, uses * weights, uses * sizes["kernel"], additions)
