"""The programs as a user starts them, for several test files."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

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


def killed(name, *arguments, when):
    """Starts a program and kills it, as a machine that fails would, once a file is there.

    Args:
        name, *arguments: as of `program`.
        when: `pathlib.Path` of the file.
    """
    process = program(name, *arguments, wait=False)
    deadline = time.monotonic() + 300
    while not when.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def same_arrays(one, other):
    """Asserts that two .npz files hold the same arrays, to the bit."""
    with np.load(one) as a, np.load(other) as b:
        assert a.files == b.files
        for name in a.files:
            assert np.array_equal(a[name], b[name]), name
