"""How sources of faces are called on the command line."""

import os
import re

NAMES = (
    "'synthetic', 'lfw', 'tfds:NAME[:SPLIT]', a folder IDENTITY/IMAGE, a folder of records, or a "
    "pattern of several such folders"
)


def check_there(name: str) -> None:
    """Raises FileNotFoundError if a name is that of a local folder and there is none.

    This takes no time: so the folder is spoken of before other settings are. Patterns and other
    file systems are looked at when they are opened.
    """
    plain = name not in ("synthetic", "lfw") and not re.search(r"[*?\[]|^\w{2,}:", name)
    if plain and not os.path.isdir(name):
        raise FileNotFoundError(f"No folder {name}: give {NAMES}.")
