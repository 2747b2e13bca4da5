"""Files that are either wholly there or not at all."""

import json
import os
import tempfile


def write_atomically(path, write):
    """Writes a file so that a kill at any moment leaves the old one or the new one.

    Args:
        path: where the file belongs.
        write: function that is called with a binary file to write into.
    """
    folder = os.path.dirname(os.path.abspath(path))
    # In the same folder: a rename is atomic within one file system only.
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner only; these are as readable as any new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_text(path, text):
    """Writes a text as UTF-8, atomically."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path, value):
    """Writes a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_folder(path, write):
    """Makes a folder that, seen by others, is there with all its files or not at all.

    Args:
        path: the folder, which must not be there.
        write: function that is called with a path to make the folder at. Its name begins with a
            dot, beside where the folder belongs.

    Raises:
        FileExistsError: if the folder is there; it is left as it is.
    """
    parent, name = os.path.split(os.path.abspath(path))
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}.", suffix=".partial") as made:
        temporary = os.path.join(made, name)
        write(temporary)
        for folder, _, files in os.walk(temporary, topdown=False):
            for each in [*(os.path.join(folder, file) for file in files), folder]:
                handle = os.open(each, os.O_RDONLY)
                os.fsync(handle)
                os.close(handle)
        try:
            # Fails for a folder with something in it.
            os.rename(temporary, path)
        except OSError as error:
            if not os.path.exists(path):
                raise
            raise FileExistsError(f"{path} is there already.") from error


def read_json(path):
    """The value in a JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
