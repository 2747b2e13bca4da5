"""Importing TensorFlow without what it says on every start about the machine."""

import os
import sys
import tempfile
from typing import Any


def import_tensorflow() -> Any:
    """Imports TensorFlow, for programs that have something to say themselves.

    As it is imported its libraries write some lines to the process' standard error, whatever
    TF_CPP_MIN_LOG_LEVEL says. They are kept back, and shown if the import fails.

    Returns:
        The module `tensorflow`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it says later
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        import tensorflow as tf  # noqa: PLC0415

        return tf
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import tensorflow as tf  # noqa: PLC0415
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    return tf
