"""Reading the text files that lists come in."""

import os

from pipelines.files import open_text


def read_lines(path: str | os.PathLike, what: str) -> list[tuple[int, str]]:
    """Lines of a text file that are not empty.

    Args:
        path: the file; see `pipelines.files.open_text`.
        what: what it should be, for messages, such as "list of pairs".

    Returns:
        List of (number, line), the lines counted from 1.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8.
    """
    try:
        with open_text(path, what) as file:
            text = file.read()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a {what}: the text is not UTF-8.") from None
    lines = enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
    return [(number, line) for number, line in lines if line.strip()]
