"""The house is in order: walls, style, types, and functions that can be read at a glance."""

import ast
import importlib
import inspect
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGES = ("pipelines", "sparseface_tf")
SOURCES = sorted(
    path for folder in (*PACKAGES, "tests", "benchmarks") for path in ROOT.glob(f"{folder}/**/*.py")
)
ROOMS = sorted(
    str(path.parent.relative_to(ROOT)).replace("/", ".")
    for package in PACKAGES
    for path in ROOT.glob(f"{package}/**/__init__.py")
)
LINES = 60


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_no_room_looks_upward_and_there_are_no_circles():
    run(os.path.join(os.path.dirname(sys.executable), "lint-imports"), "--no-cache")


def test_imports_and_complexity():
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


def own_lines(function):
    """Lines of a function without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def test_functions_can_be_seen_at_a_glance():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {own_lines(node)} lines"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds) and own_lines(node) > LINES
    ]
    assert not long


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_hands_on_is_there_and_typed(room):
    module = importlib.import_module(room)
    assert module.__doc__
    untyped = []
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        of_this_project = getattr(thing, "__module__", "").partition(".")[0] in PACKAGES
        if of_this_project and callable(thing):
            assert thing.__doc__, name
            untyped += [f"{name}{missing}" for missing in missing_hints(thing)]
    assert not untyped


def missing_hints(thing):
    """What of a function, or of a class' own constructor and methods, has no hint."""
    if inspect.isclass(thing):
        for name, member in vars(thing).items():
            public = not name.startswith("_") or name == "__init__"
            if public and inspect.isfunction(member) and member.__qualname__.startswith(thing.__name__):
                yield from (f".{name}{missing}" for missing in missing_hints(member))
        return
    signature = inspect.signature(thing)
    for parameter in signature.parameters.values():
        if parameter.name not in ("self", "cls") and parameter.annotation is parameter.empty:
            yield f"({parameter.name})"
    if signature.return_annotation is signature.empty and thing.__name__ != "__init__":
        yield " ->"


def test_types_hold():
    modules = {ROOT / (room.replace(".", "/") + "/__init__.py") for room in ROOMS}
    for room in ROOMS:
        for node in ast.walk(ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                path = ROOT / node.module.replace(".", "/")
                modules |= {each for each in (path.with_suffix(".py"),) if each.exists()}
    run(sys.executable, "-m", "mypy", "--no-incremental", *sorted(map(str, modules)))
