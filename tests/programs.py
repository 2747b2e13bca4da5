"""The programs as a user starts them, for several test files."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def program(name, *arguments, wait=True):
    """Starts a program of the project's folder.

    Args:
        name: such as "train.py".
        *arguments: strings of its command line.
        wait: whether to wait for its end.

    Returns:
        (exit status, what it printed); the `subprocess.Popen` if it is not waited for.
    """
    process = subprocess.Popen(
        [sys.executable, name, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if not wait:
        return process
    output, _ = process.communicate(timeout=600)
    return process.returncode, output
