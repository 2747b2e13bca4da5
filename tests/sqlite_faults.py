"""Faults at every change that SQLite makes to a file, as `faults` has them for Python's own.

SQLite writes from C. Its layer for Unix takes other functions in place of the system's calls
(`xSetSystemCall`, as its own tests do), so that a function can be called before each of them.
"""

import _sqlite3
import contextlib
import ctypes
import errno
import functools
import os
import sqlite3
import sys

import pytest
from faults import Change

_INT, _SIZE, _POINTER = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p


class _Vfs(ctypes.Structure):
    """sqlite3_vfs of sqlite3.h, version 3."""


_Vfs._fields_ = [
    *(("iVersion", _INT), ("szOsFile", _INT), ("mxPathname", _INT), ("pNext", _POINTER)),
    *(("zName", ctypes.c_char_p), ("pAppData", _POINTER)),
    *((f"version_1_and_2_{number}", _POINTER) for number in range(13)),
    (
        "xSetSystemCall",
        ctypes.CFUNCTYPE(_INT, ctypes.POINTER(_Vfs), ctypes.c_char_p, _POINTER),
    ),
    (
        "xGetSystemCall",
        ctypes.CFUNCTYPE(_POINTER, ctypes.POINTER(_Vfs), ctypes.c_char_p),
    ),
]

# Each with what its first argument is, and its type.
_CALLS = {
    "write": ("file", ctypes.CFUNCTYPE(ctypes.c_ssize_t, _INT, _POINTER, _SIZE, use_errno=True)),
    "pwrite": (
        "file",
        ctypes.CFUNCTYPE(
            ctypes.c_ssize_t, _INT, _POINTER, _SIZE, ctypes.c_int64, use_errno=True
        ),
    ),
    "pwrite64": (
        "file",
        ctypes.CFUNCTYPE(
            ctypes.c_ssize_t, _INT, _POINTER, _SIZE, ctypes.c_int64, use_errno=True
        ),
    ),
    "ftruncate": ("file", ctypes.CFUNCTYPE(_INT, _INT, ctypes.c_int64, use_errno=True)),
    "unlink": ("path", ctypes.CFUNCTYPE(_INT, ctypes.c_char_p, use_errno=True)),
    "open": ("path", ctypes.CFUNCTYPE(_INT, ctypes.c_char_p, _INT, _INT, use_errno=True)),
}


@functools.cache
def _vfs():
    """SQLite's layer for Unix; the test is skipped where it cannot be reached."""
    # TensorFlow has an SQLite of its own, which Python's module uses where it is loaded before.
    for name in (None, _sqlite3.__file__) if sys.platform.startswith("linux") else ():
        library = ctypes.CDLL(name)
        if hasattr(library, "sqlite3_vfs_find"):
            library.sqlite3_libversion.restype = ctypes.c_char_p
            if library.sqlite3_libversion().decode() == sqlite3.sqlite_version:
                library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
                return library.sqlite3_vfs_find(None)
    pytest.skip("SQLite's calls of the system cannot be watched here")


@contextlib.contextmanager
def watched(root, before):
    """Calls a function before each change that SQLite makes below a folder; as `faults.watched`.

    A change is a write, a truncation, a removal, or the opening of a file that is not there. What
    `before` raises makes SQLite's call fail as on a full disk.
    """
    root, vfs = os.path.abspath(root), _vfs()

    def watching(name, kind, original):
        def call(first, *arguments):
            path = os.readlink(f"/proc/self/fd/{first}") if kind == "file" else os.fsdecode(first)
            change = name != "open" or not os.path.exists(path)
            if change and os.path.abspath(path).startswith(root + os.sep):
                try:
                    before(Change(f"{name} {os.path.relpath(path, root)}"))
                except OSError:
                    ctypes.set_errno(errno.ENOSPC)
                    return -1
            return original(first, *arguments)

        return call

    kept = []
    try:
        for name, (kind, of_type) in _CALLS.items():
            address = vfs.contents.xGetSystemCall(vfs, name.encode())
            if address:  # not all systems have all
                watcher = of_type(watching(name, kind, of_type(address)))
                kept.append(watcher)
                vfs.contents.xSetSystemCall(vfs, name.encode(), ctypes.cast(watcher, _POINTER))
        yield
    finally:
        for name in _CALLS:
            vfs.contents.xSetSystemCall(vfs, name.encode(), None)
