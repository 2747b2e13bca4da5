"""Running an exported model in a process of its own: some broken files bring theirs down."""

import json
import os
import signal
import subprocess
import sys


def run_child(worker, arguments, job, runtime):
    """Runs a module in a child process.

    Args:
        worker: name of the module.
        arguments: list of strings for its command line.
        job: what it is asked for, its last argument as JSON.
        runtime: what runs the model, to be named in errors.

    Returns:
        What the module prints.

    Raises:
        ValueError: if it fails or crashes, in one line.
    """
    environment = {
        **os.environ,
        # Finds the modules that this process finds, wherever it is started.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),
    }
    child = subprocess.run(
        [sys.executable, "-m", worker, *arguments, json.dumps(job)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise ValueError(f"{runtime} crashed on the file ({name})")
    if child.returncode:
        lines = [line.strip() for line in child.stderr.splitlines() if line.strip()]
        raise ValueError(f"{runtime} failed on the file: {lines[-1] if lines else 'no message'}")
    return child.stdout
