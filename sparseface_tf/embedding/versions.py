"""The folders and files of a SavedModel, found without TensorFlow."""

import glob
import hashlib
import json
import os

GRAPH = "saved_model.pb"
# Servers pass these files by.
EXTRA = "assets.extra"
METADATA = os.path.join(EXTRA, "sparseface_tf.json")


def is_saved_model(path):
    """Whether a path is the folder of one version of a SavedModel."""
    return os.path.isfile(os.path.join(path, GRAPH))


def find_version(path):
    """The folder of one version of a SavedModel; None if there is none.

    Args:
        path: that folder; or one with a folder for each version, whose names are integers, of
            which the highest is taken, as a server does.
    """
    if is_saved_model(path):
        return path
    versions = [int(name) for name in versions_in(path)]
    return os.path.join(path, str(max(versions))) if versions else None


def versions_in(path):
    """Names of the version folders in a model's folder, a list of strings."""
    if not os.path.isdir(path):
        return []
    # A server parses names as integers, so 007 is version 7.
    names = [name for name in os.listdir(path) if name.isdecimal() and name == str(int(name))]
    return [name for name in names if is_saved_model(os.path.join(path, name))]


def digest(path):
    """SHA-256 of what a SavedModel computes: its graph and its variables. A hash object."""
    names = [GRAPH, *sorted(glob.glob("variables/*", root_dir=path))]
    found = hashlib.sha256()
    for name in names:
        with open(os.path.join(path, name), "rb") as file:
            found.update(file.read())
    return found


def metadata(path):
    """What the file says of itself, a dict; None if it says nothing.

    Raises:
        ValueError: if that is no JSON.
    """
    try:
        with open(os.path.join(path, METADATA), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
