"""Every benchmark can be imported, and does nothing then."""

import importlib.util
import os
import pathlib
import sys

import pytest
from absl import app, flags

BENCHMARKS = pathlib.Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def as_a_program(monkeypatch):
    """No flags are defined yet, and what the import changes is put back."""
    known = flags.FLAGS.__dict__["__flags"]
    flags.FLAGS.__dict__["__flags"] = {}
    environment = dict(os.environ)
    # As a program has it: one benchmark takes from another.
    monkeypatch.syspath_prepend(BENCHMARKS)
    modules = set(sys.modules)
    monkeypatch.setattr(app, "run", lambda *_: pytest.fail("it runs when it is imported"))
    yield
    flags.FLAGS.__dict__["__flags"] = known
    os.environ.clear()
    os.environ.update(environment)
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) == str(BENCHMARKS / f"{name}.py"):
            del sys.modules[name]


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_it_is_imported(name, as_a_program, monkeypatch):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert callable(module.main) and module.__doc__
