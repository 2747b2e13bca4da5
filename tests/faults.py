"""Faults at every write, fsync and rename, for tests that nothing is lost or spoilt by them.

A kill leaves on the disk what was there at that moment. So one uninterrupted run is enough to see
what kills at all moments leave: `states_of` copies the folder at each of them. `failing` makes one
of them fail instead, as a full disk does.
"""

import builtins
import contextlib
import errno
import hashlib
import os
import pathlib
import re
import shutil

import pytest
import tensorflow as tf


class Change(str):
    """What is about to happen: "fsync stage0/metrics.json"."""


@contextlib.contextmanager
def watched(root, before):
    """Calls a function before each change below a folder.

    A change is the opening of a file to write, an fsync, a rename, or a removal, by Python code or
    through `tf.io`.

    Args:
        root: the folder.
        before: function of a `Change`; what it raises is raised by the change.
    """
    root, inside = os.path.abspath(root), []

    def seen(kind, path):
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        if isinstance(path, (str, bytes, os.PathLike)) and not inside:
            path = os.path.abspath(os.fsdecode(path))
            if path == root or path.startswith(root + os.sep):
                inside.append(True)  # what `before` does itself is not of interest
                try:
                    before(Change(f"{kind} {os.path.relpath(path, root)}"))
                finally:
                    inside.clear()

    def watch(module, name):
        original = getattr(module, name)

        def watching(path, *arguments, **options):
            if options.get("dir_fd") is None:
                seen(name, path)
            return original(path, *arguments, **options)

        patch.setattr(module, name, watching)

    original_open = builtins.open

    def opening(file, mode="r", *arguments, **options):
        if set(mode) & set("wxa+"):
            seen("write", file)
        return original_open(file, mode, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "remove", "makedirs"):
            watch(tf.io.gfile, name)
        _watch_files_of_tensorflow(patch, seen)
        for name in ("fsync", "rename", "replace", "unlink", "remove", "mkdir", "link"):
            watch(os, name)
        watch(shutil, "rmtree")
        patch.setattr(builtins, "open", opening)
        yield


def _watch_files_of_tensorflow(patch, seen):
    original_file, original_writer = tf.io.gfile.GFile, tf.io.TFRecordWriter

    def opening(name, mode="r"):
        if set(mode) & set("wa+"):
            seen("write", name)
        return original_file(name, mode)

    def writing(path, *arguments, **options):
        seen("write", path)
        return original_writer(path, *arguments, **options)

    patch.setattr(tf.io.gfile, "GFile", opening)
    patch.setattr(tf.io, "TFRecordWriter", writing)


def states_of(root, copies, run, watch=watched):
    """What a kill at each moment of some work would leave, each different state once.

    Args:
        root: `pathlib.Path` of the folder that the work writes; it may not be there yet.
        copies: `pathlib.Path` of a folder for the copies.
        run: function that does the work.
        watch: `watched`, or another that watches changes as it does.

    Returns:
        List of (`Change` that the kill came before, `pathlib.Path` of a copy).
    """
    states, known = [], set()

    def note(change):
        digest = _digest(root)
        if digest not in known:
            known.add(digest)
            copy = copies / f"state{len(states)}"
            if root.exists():
                shutil.copytree(root, copy, symlinks=True)
            else:
                copy.mkdir(parents=True)
            states.append((change, copy))

    with watch(root, note):
        run()
    return states


@contextlib.contextmanager
def failing(root, number=0, watch=watched):
    """The change of that number below a folder, and all after it, fail as on a full disk."""
    left = [number]

    def fail(change):
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(change))
        left[0] -= 1

    with watch(root, fail):
        yield


@contextlib.contextmanager
def broken_at(root, change):
    """The first change below a folder that is like another one fails, as on a full disk.

    Args:
        root: the folder.
        change: a `Change` that was seen before, below this folder or another.
    """
    failed = []

    def fail(one):
        if not failed and _plain(one) == _plain(change):
            failed.append(one)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(one))

    with watched(root, fail):
        yield


def _plain(name):
    """A name without the random part of the names of unfinished files."""
    return re.sub(r"[0-9a-f]{8}(?=\.partial)", "*", name)


def _digest(root):
    """What a folder holds, but for the random part of the names of unfinished files."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(root).rglob("*")):
        name = _plain(str(path.relative_to(root)))
        if name.endswith(".partial"):
            digest.update(f"{name}\n".encode())
        elif path.is_file():
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        else:
            digest.update(f"{name}/\n".encode())
    return digest.digest()
