"""Scripts in processes of their own: what they run may crash, or needs another environment.

A script is run as a file and not as a module, which would import the packages that it lies in. So it
starts with what it imports itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator


class ChildFailed(Exception):
    """A child process ended with an error; the message is one line.

    Attributes:
        status: its exit status; that of a process that was killed by a signal is negative.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def child_lines(script: str, *arguments: str, **environment: str) -> Iterator[str]:
    """Runs a script, and hands on what it prints as soon as it prints it.

    The process is killed where the caller stops reading before its end.

    Args:
        script: path of a Python file.
        *arguments: of its command line.
        **environment: variables that it gets besides those of this process.

    Yields:
        Its lines on standard output.

    Raises:
        ChildFailed: if it fails, with the last line of its error output; if it crashes, with the name
            of the signal.
    """
    variables = {
        **os.environ,
        # Finds the modules that this process finds, wherever it is started, and none beside it.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),
        "PYTHONSAFEPATH": "1",
        **environment,
    }
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            [sys.executable, script, *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        ) as child,
    ):
        try:
            yield from child.stdout or ()
            status = child.wait()
        except BaseException:
            child.kill()
            raise
        if status < 0:
            raise ChildFailed(status, signal.Signals(-status).name)
        if status:
            errors.seek(0)
            lines = [line.strip() for line in errors if line.strip()]
            raise ChildFailed(status, lines[-1] if lines else "no message")


def run_on_file(script: str, *arguments: str, runtime: str) -> str:
    """Runs a script that runs an exported model: some broken files bring their process down.

    Args:
        script: path of a Python file.
        *arguments: of its command line.
        runtime: what runs the model, to be named in errors.

    Returns:
        What the script prints.

    Raises:
        ValueError: if it fails or crashes, in one line.
    """
    try:
        return "".join(child_lines(script, *arguments))
    except ChildFailed as error:
        how = f"crashed on the file ({error})" if error.status < 0 else f"failed on the file: {error}"
        raise ValueError(f"{runtime} {how}") from None
