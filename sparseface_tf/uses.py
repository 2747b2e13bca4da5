"""Where a layer stands in a model.

`layer.input` and `layer.output` are those of the layer's first call, which may have been in another
model, or one of several in this one.
"""

from __future__ import annotations

from typing import Any

import keras


def tensors_of(model: keras.Model, layer: keras.layers.Layer) -> tuple[Any, Any]:
    """The symbolic input and output of a layer in a model.

    Args:
        model: functional `keras.Model`.
        layer: a layer of it.

    Returns:
        A pair; each is a tensor, or a list where the layer has several.

    Raises:
        ValueError: if the layer stands in the model more than once, or the model is not functional.
    """
    calls = [node for node in _nodes(model) if node.operation is layer]
    if len(calls) != 1:
        raise ValueError(
            f"layer '{layer.name}' is called {len(calls)} times in model '{model.name}', and only the "
            "connections of a layer that is called once can be told apart"
        )
    return _one_or_list(calls[0].input_tensors), _one_or_list(calls[0].output_tensors)


def readers(model: keras.Model, tensor: Any) -> list[keras.layers.Layer]:
    """The layers of a functional model that have a tensor of it as an input, a list."""
    return [
        node.operation
        for node in _nodes(model)
        if any(seen is tensor for seen in node.input_tensors)
    ]


def _nodes(model):
    """The calls that a functional model consists of. Keras has no public name for them."""
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(
            f"model '{model.name}' is not functional: give one that is made of keras.Input and layers"
        )
    return [node for nodes in graph._nodes_by_depth.values() for node in nodes]


def _one_or_list(tensors):
    return tensors[0] if len(tensors) == 1 else list(tensors)
