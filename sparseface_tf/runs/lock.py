"""One process at a time in a folder."""

import contextlib
import os

import filelock

from pipelines.files import write_text

# Files that say that a process writes in a folder, and which.
FILES = (".lock", ".process")


@contextlib.contextmanager
def only_process(folder):
    """Context in which no other process that asks so writes in a folder.

    Args:
        folder: a folder that is there.

    Raises:
        ValueError: if another process is at work; it names the process.
    """
    lock_file, noted = (os.path.join(folder, name) for name in FILES)
    lock = filelock.FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ValueError(
            f"The process {_read(noted)} is writing in {folder}: wait until it ends, or choose "
            "another folder."
        ) from None
    try:
        write_text(noted, f"{os.getpid()}\n")
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(noted)
        lock.release()


def holds_others(folder: str) -> bool:
    """Whether a folder holds more than what processes leave that were killed at their beginning."""
    if not os.path.isdir(folder):
        return False
    return any(
        name not in FILES and not (name.startswith(".") and name.endswith(".partial"))
        for name in os.listdir(folder)
    )


def _read(path):
    """What the other process has noted of itself."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        return file.read().strip()
    return "that has just begun"
