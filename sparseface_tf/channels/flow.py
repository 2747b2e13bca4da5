"""Which channels reach which layer, when some layers keep a part of theirs."""

import keras
import numpy as np

from sparseface_tf.layers import MaskedLocallyConnected2D
from sparseface_tf.supervision.margin_softmax import CosineClassifier
from sparseface_tf.uses import tensors_of

# Layers that make new channels of all that they see, with the setting that says how many.
PRODUCERS = {
    keras.layers.Conv2D: "filters",
    keras.layers.Dense: "units",
    MaskedLocallyConnected2D: "filters",
    CosineClassifier: "identities",
}
# Layers whose output has the channels of their input, in the same order.
_SAME = (
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.PReLU,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Identity,
)
# These need the same channels from all that they join.
_JOINS = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)


def producer(layer):
    """Name of the setting that counts a layer's own channels; None if it has no own ones."""
    for kind, setting in PRODUCERS.items():
        if isinstance(layer, kind):
            return setting
    return None


class Flow:
    """The channels that every layer of a model gets and gives.

    Args:
        model: functional model in which each layer is used once.
        kept: dict from names of layers to the numbers of the channels that they keep, integer
            arrays, in the order in which they are to come; the other layers keep theirs.

    Attributes:
        kept: the same, as int64 arrays.
        inputs: dict from a layer's name to an int64 array, the numbers of its input's channels that
            are left; a list of them for a layer with several inputs.
        outputs: the same of its output. Of a flattened map every position's channels count.

    Raises:
        ValueError: for a layer that has no channels to choose from, for numbers that it has not,
            for no channel at all, and where a join of several layers would get different ones.
    """

    def __init__(self, model, kept):
        layers = {layer.name: layer for layer in model.layers}
        for name in kept:
            if name not in layers or producer(layers[name]) is None:
                raise ValueError(f"There is no layer '{name}' that has channels to choose from.")
        self.kept = {name: _checked(layers[name], numbers) for name, numbers in kept.items()}
        self.inputs, self.outputs = {}, {}
        given = {id(tensor): _all(tensor) for tensor in model.inputs}
        for layer in model.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            if tensors_of(model, layer)[1] is not layer.output:
                raise ValueError(
                    f"Layer '{layer.name}' was taken over from another model: keras.models.clone_model "
                    "makes a model with layers of its own."
                )
            several = isinstance(layer.input, (list, tuple))
            seen = [given[id(tensor)] for tensor in (layer.input if several else [layer.input])]
            self.inputs[layer.name] = seen if several else seen[0]
            channels = self._through(layer, seen)
            self.outputs[layer.name] = given[id(layer.output)] = channels

    def _through(self, layer, seen):
        """What a layer gives of what it gets."""
        if producer(layer) and getattr(layer, "groups", 1) == 1:
            return self.kept.get(layer.name, _all(layer.output))
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            times = layer.depth_multiplier
            return (seen[0][:, None] * times + np.arange(times)).reshape(-1)
        if isinstance(layer, _SAME):
            return seen[0]
        if isinstance(layer, keras.layers.Flatten):
            channels = len(_all(layer.input))
            positions = np.arange(len(_all(layer.output)) // channels)
            return (positions[:, None] * channels + seen[0]).reshape(-1)
        if isinstance(layer, keras.layers.Concatenate) and layer.axis in (-1, _last(layer)):
            starts = np.cumsum([0, *(len(_all(tensor)) for tensor in layer.input)])
            return np.concatenate([start + part for start, part in zip(starts, seen)])
        if isinstance(layer, _JOINS):
            if any(not np.array_equal(seen[0], other) for other in seen[1:]):
                raise ValueError(
                    f"Layer '{layer.name}' joins maps of which different channels are kept: layers "
                    "that are added up cannot lose channels one by one."
                )
            return seen[0]
        # Anything else, such as a distance: what it gives are no channels of what it gets.
        tensors = layer.input if len(seen) > 1 else [layer.input]
        whole = all(np.array_equal(part, _all(tensor)) for part, tensor in zip(seen, tensors))
        if not whole and not getattr(layer, "any_width", False) or layer.name in self.kept:
            raise ValueError(
                f"Layer '{layer.name}' ({type(layer).__name__}) cannot do without some of its "
                "channels."
            )
        return _all(layer.output)


def _all(tensor):
    """Numbers of all channels of a symbolic tensor."""
    return np.arange(int(tensor.shape[-1]))


def _last(layer):
    return len(layer.output.shape) - 1


def _checked(layer, numbers):
    numbers, channels = np.asarray(numbers, np.int64).reshape(-1), int(layer.output.shape[-1])
    if not len(numbers):
        raise ValueError(f"Layer '{layer.name}' must keep one channel at least.")
    if numbers.min() < 0 or numbers.max() >= channels or len(np.unique(numbers)) < len(numbers):
        raise ValueError(
            f"Layer '{layer.name}' has channels 0 to {channels - 1}; each can be kept once."
        )
    return numbers
