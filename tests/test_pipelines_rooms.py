"""What the rooms of pipelines hand on, and that training does without the heavy packages."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing

import pytest

import pipelines

ROOMS = [module.name for module in pkgutil.iter_modules(pipelines.__path__) if module.ispkg]
# Needed only by what draws, compares or detects.
HEAVY = ("imagehash", "jinja2", "matplotlib", "mtcnn", "tensorboard", "tensorflow_datasets")


@pytest.mark.parametrize("name", sorted(set(ROOMS) - {"commands"}))
def test_names_are_handed_on_with_types_and_docstrings(name):
    room = importlib.import_module(f"pipelines.{name}")
    assert room.__doc__ and list(room.__all__) == sorted(room.__all__, key=_order)
    for each in room.__all__:
        value = getattr(room, each)
        if inspect.isfunction(value):
            functions = [value]
        elif inspect.isclass(value):
            functions = [
                function
                for key, function in vars(value).items()
                if inspect.isfunction(function)
                and function.__module__.startswith("pipelines.")
                and (key == "__init__" or not key.startswith("_"))
            ]
            assert value.__doc__, each
        else:
            continue
        for function in functions:
            assert function.__doc__ or function.__name__.startswith("_"), (each, function)
            hints = typing.get_type_hints(function)
            names = set(inspect.signature(function).parameters) - {"self", "cls"}
            assert names | {"return"} <= set(hints), (each, function)


def _order(name):
    """Constants, then classes, then functions, as ruff sorts them."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def test_training_imports_no_heavy_package():
    rooms = ", ".join(f"pipelines.{name}" for name in ROOMS if name != "commands")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({HEAVY}));"  # an import of one now fails
        f"import {rooms}, sparseface_tf.training.stages"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
