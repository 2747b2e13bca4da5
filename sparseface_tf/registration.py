"""The library's layers, losses and so on are known to Keras as soon as `sparseface_tf` is imported.

A file of a model names its classes, and Keras wants them registered. Here stand-ins are registered
which import their class when a model that has it is loaded: importing Keras takes seconds, and
importing `sparseface_tf` must not. If Keras is not there yet, they wait for it.
"""

import importlib
import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "sparseface_tf"
# Module of each class that Keras can write into a file.
CLASSES = {
    "ArcFace": "supervision.margin_softmax",
    "ChannelPenalty": "channels.priority",
    "ClassCentres": "supervision.centre_loss",
    "CosFace": "supervision.margin_softmax",
    "CosineClassifier": "supervision.margin_softmax",
    "DecreasingScales": "channels.priority",
    "MaskedConv2D": "layers",
    "MaskedDense": "layers",
    "MaskedLocallyConnected2D": "layers",
    "PairDistance": "supervision.verification",
    "SmoothDecay": "training.schedules",
    "VerificationLoss": "supervision.verification",
}


class StandIn:
    """In the place of a class until it is needed; the class takes the place when it is imported.

    Args:
        name: of the class, one of `CLASSES`.
    """

    def __init__(self, name: str):
        self._name = name

    def from_config(self, config: dict[str, Any]) -> Any:
        """An object of the class, of its configuration: what Keras asks a class for."""
        module = importlib.import_module(f"{PACKAGE}.{CLASSES[self._name]}")
        return getattr(module, self._name).from_config(config)


def register(keras: ModuleType) -> None:
    """Registers the stand-ins of classes that are not registered yet.

    Args:
        keras: the imported package.
    """
    registered = keras.saving.get_custom_objects()
    for name in CLASSES:
        registered.setdefault(f"{PACKAGE}>{name}", StandIn(name))


class AfterKeras(importlib.abc.MetaPathFinder):
    """Finds Keras as the other finders do, and registers the stand-ins once it is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of Keras; of every other module None."""
        if fullname != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (other.find_spec(fullname, path, target) for other in others)), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            register(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def register_with_keras() -> None:
    """Registers the stand-ins, now or as soon as Keras is imported."""
    if hasattr(sys.modules.get("keras"), "saving"):
        register(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, AfterKeras())
