"""`import sparseface_tf` is enough for Keras to load what the library's layers are in."""

import importlib
import os
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import sparseface_tf
from sparseface_tf.layers import MaskedDense
from sparseface_tf.registration import CLASSES, StandIn, register_with_keras
from sparseface_tf.training.schedules import SmoothDecay


def test_every_registered_class_has_a_stand_in():
    for module in pkgutil.walk_packages(sparseface_tf.__path__, "sparseface_tf."):
        if module.name.split(".")[1] in ("layers", "channels", "supervision", "training", "networks"):
            importlib.import_module(module.name)
    registered = keras.saving.get_custom_objects()
    own = {name.split(">")[1] for name in registered if name.startswith("sparseface_tf>")}
    assert own == set(CLASSES)
    for name, module in CLASSES.items():
        found = registered[f"sparseface_tf>{name}"]
        assert found is getattr(importlib.import_module(f"sparseface_tf.{module}"), name)


@pytest.fixture
def saved(tmp_path):
    model = keras.Sequential([keras.Input((4,)), MaskedDense(3, name="f"), keras.layers.Dense(2)])
    model.get_layer("f").assign_mask(np.arange(12).reshape(4, 3) < 3)
    model.compile(keras.optimizers.SGD(SmoothDecay(0.1, 0.5, 10, 5)), "mse")
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_stand_ins_load_a_model(saved):
    registered = keras.saving.get_custom_objects()
    own = {name: registered.pop(name) for name in [*registered] if name.startswith("sparseface_tf>")}
    try:
        register_with_keras()
        assert isinstance(registered["sparseface_tf>MaskedDense"], StandIn)
        model = keras.saving.load_model(saved)
    finally:
        registered.update(own)
    assert type(model.get_layer("f")) is MaskedDense and model.get_layer("f").density == 0.25
    assert isinstance(model.optimizer.get_config()["learning_rate"]["config"]["decay"], float)


def test_keras_may_be_imported_later_by_whatever_module(saved):
    # On JAX, whose import is the shorter one.
    program = (
        "import sys, sparseface_tf.constraints, keras;"
        "print(keras.saving.load_model(sys.argv[1]).get_layer('f').density)"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", program, str(saved)]
    assert subprocess.check_output(command, env=environment, text=True) == "0.25\n"


def test_importing_the_library_imports_no_keras():
    program = "import sys; sys.modules.update(keras=None, tensorflow=None, numpy=None); import sparseface_tf"
    subprocess.run([sys.executable, "-c", program], check=True)
