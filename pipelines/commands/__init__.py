"""The commands on folders of faces: detect, inspect and write_records. Each has a `main`."""

import os

# Before a command imports TensorFlow, which says on every start what it found on the machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
