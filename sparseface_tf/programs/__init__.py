"""The programs, one a module, and `sparseface`, the command that has them as its sub-commands.

Importing one defines no flags: its `main` does.
"""

import os

# Before a program imports TensorFlow, which says on every start what it found on the machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
