"""Fixtures that several test files share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import keras
import properties  # noqa: F401, whose profiles are registered
import pytest
from forks import Forks
from small_runs import small_runs  # noqa: F401, a fixture

# `--hypothesis-profile` on the command line has the last word.
hypothesis.settings.load_profile("same")


@pytest.fixture(scope="session")
def forks():
    """Starts programs in a twentieth of the time, see `Forks`."""
    with Forks() as started:
        yield started


@pytest.fixture(autouse=True)
def fresh_keras():
    """Every test starts with the same seed, float32 and no names in use."""
    # Without collecting garbage, which takes longer than most tests.
    keras.backend.clear_session(free_memory=False)
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    yield
    # Also for fixtures of modules, which come before this one of the next test.
    keras.config.set_dtype_policy("float32")
