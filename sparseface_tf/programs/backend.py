"""Which backend of Keras the programs run on."""

import json
import os

NEEDED = "tensorflow"


def check_backend() -> None:
    """Makes sure that Keras is to run on TensorFlow, as the programs' pipelines do.

    Raises:
        ValueError: if the environment or Keras' own configuration chooses another backend.
    """
    chosen, where = os.environ.get("KERAS_BACKEND"), "the variable KERAS_BACKEND"
    if not chosen:
        home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
        where = os.path.join(home, "keras.json")
        chosen = _configured(where)
    if chosen != NEEDED:
        raise ValueError(
            f"The programs need Keras on TensorFlow, and {where} chooses '{chosen}': put KERAS_BACKEND="
            f"{NEEDED} before the command; the library itself runs on others too"
        )


def _configured(path):
    """The backend that Keras' configuration file names; without one it is the needed one."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file).get("backend") or NEEDED
    except (OSError, ValueError, AttributeError):
        return NEEDED
