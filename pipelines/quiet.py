"""Libraries that say on every start what they found on the machine, kept from saying it."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

# TensorFlow's and LiteRT's information about the machine, and that it is no error.
_CHATTER = re.compile(
    rb"INFO: .*|I\d{4} .*|WARNING: All log messages before absl::InitializeLog.*|To enable the following.*"
)


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keeps back lines of information that libraries write to the process' standard error.

    They write past Python, and as they are loaded past TF_CPP_MIN_LOG_LEVEL. All other lines are
    handed on at the end.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said:
                if not _CHATTER.fullmatch(line.strip()):
                    os.write(2, line)


def import_tensorflow() -> Any:
    """Imports TensorFlow, for programs that have something to say themselves.

    Returns:
        The module `tensorflow`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it says later
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    with without_chatter():
        import tensorflow  # noqa: PLC0415
    return tensorflow
