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


def write_json(path, value):
    """Writes a value as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def read_json(path):
    """The value in a JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
