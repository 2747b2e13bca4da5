"""Files and folders that are either wholly there or not at all.

What is not finished has a name of its own beside its place, `.NAME.….partial`, and gets its name by
one rename; content and rename are on the disk when a function returns.
"""

import contextlib
import errno
import json
import os
import secrets
import shutil
from typing import IO


def write_atomically(path, write):
    """Writes a file so that a kill at any moment leaves the old one or the new one.

    Args:
        path: where the file belongs.
        write: function that is called with a binary file to write into.
    """
    temporary = partial_name(path)
    try:
        # Not tempfile: its files are for their owner only; these are as readable as any new file.
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        # What went wrong is said, not that there is nothing to remove.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(temporary))


def write_text(path, text):
    """Writes a text as UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path, value):
    """Writes a value as indented JSON, atomically."""
    write_text(path, json_text(value))


def json_text(value):
    """A value as indented JSON, a string."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_together(folder, files):
    """Writes files that belong together, the last of which is what the others are about.

    The last one is always there, the old one or the new one; others are beside it only if they are
    its own. All are on the disk before anything is changed, so a full disk leaves the folder as it
    was.

    Args:
        folder: that is there.
        files: dict from names to bytes.
    """
    staged = {name: partial_name(os.path.join(folder, name)) for name in files}
    *others, last = files
    try:
        for name, content in files.items():
            with open(staged[name], "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in others:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
        sync_folder(folder)
        for name in (last, *others):
            os.replace(staged[name], os.path.join(folder, name))
    except BaseException:
        for path in staged.values():
            with contextlib.suppress(OSError):
                os.unlink(path)
        raise
    sync_folder(folder)


def write_folder(path, write):
    """Makes a folder that, seen by others, is there with all its files or not at all.

    Args:
        path: the folder, which must not be there.
        write: function that is called with a path to make the folder at. The last part of it is
            the folder's name.

    Raises:
        FileExistsError: if the folder is there; it is left as it is.
    """
    made = partial_name(path)
    temporary = os.path.join(made, os.path.basename(os.path.abspath(path)))
    os.mkdir(made)
    try:
        write(temporary)
        for folder, _, files in os.walk(temporary, topdown=False):
            for file in files:
                _sync(os.path.join(folder, file))
            sync_folder(folder)
        try:
            # Fails for a folder with something in it.
            os.rename(temporary, path)
        except OSError as error:
            if not os.path.exists(path):
                raise
            raise FileExistsError(f"{path} is there already.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    sync_folder(os.path.dirname(made))


def partial_name(path):
    """A new name beside a path for what is not finished: `.NAME.….partial`."""
    folder, name = os.path.split(os.path.abspath(path))
    # In the same folder: a rename is atomic within one file system only.
    return os.path.join(folder, f".{name}.{secrets.token_hex(4)}.partial")


def remove_partial(folder):
    """Removes what killed processes have left unfinished in a folder that nobody else writes."""
    with os.scandir(folder) as entries:
        left = [e for e in entries if e.name.startswith(".") and e.name.endswith(".partial")]
    for entry in left:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


def open_text(path: str | os.PathLike, what: str) -> IO[str]:
    """Opens a text file to be read, UTF-8, its line ends as they are.

    Args:
        path: a file; also such as "gs://…", which TensorFlow opens.
        what: what it should be, for messages, such as "list of pairs".

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be opened.
    """
    if "://" in os.fspath(path):
        # Takes seconds to import, which a file of this machine need not wait for.
        import tensorflow as tf  # noqa: PLC0415

        if tf.io.gfile.exists(path):
            return tf.io.gfile.GFile(path)
    elif os.path.exists(path):
        return open(path, encoding="utf-8", newline="")
    raise FileNotFoundError(f"No {what} {path}: check its name.")


def read_json(path):
    """The value in a JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def sync_folder(folder):
    """Brings the names in a folder to the disk, where the file system can do that."""
    try:
        _sync(folder)
    except OSError as error:
        # Some network file systems know no fsync of folders, and Windows does not open them.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise


def _sync(path):
    """Brings the content of a file to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
