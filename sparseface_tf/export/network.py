"""The network that is exported, and what its input and output are called, in every format."""

import keras

IMAGE, EMBEDDING = "image", "embedding"
# Pixels are (p - CENTRE) / SCALE in training; see pipelines/batches.py.
CENTRE, SCALE = 127.5, 128.0


def in_float32(model):
    """The same network computing in float32, whatever it was trained in.

    Raises:
        ValueError: for a model with models as layers.
    """
    nested = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if nested:
        raise ValueError(
            f"layer '{nested[0]}' is a model itself: give a network without models in it."
        )

    def copy(layer):
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    twin = keras.models.clone_model(model, clone_function=copy)
    for layer, other in zip(twin.layers, model.layers):
        for weight, value in zip(layer.weights, other.weights):
            weight.assign(keras.ops.convert_to_numpy(value))
    return twin
