"""Serves a network over HTTP and gRPC: sparseface serve, the one that travels with the package."""

import os

from sparseface_tf.programs.shipped import shipped_root
from sparseface_tf.serving import command

# Folder of its versions.
DEFAULT_MODEL = os.path.join("saved_models", "joined_75")


def main():
    command.main(os.path.join(shipped_root(DEFAULT_MODEL), DEFAULT_MODEL))
