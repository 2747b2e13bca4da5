"""Flag files by name: --flagfile=stage3 for the one that comes with the package.

A file that exists at the path that is given wins. Otherwise the name is looked up among the files
that come with the package, with or without "flags/" before it and ".cfg" behind it. A --flagfile=
line inside of a flag file is looked up beside that file and in the folders above it first, so that
flag files work from any folder.
"""

import codecs
import dataclasses
import difflib
import os
import pathlib
from collections.abc import Sequence

from absl import app, flags

from pipelines.command_line import one_line_errors, setting
from sparseface_tf.programs.shipped import shipped_root

FOLDER, SUFFIX = "flags", ".cfg"


@dataclasses.dataclass
class FlagFile:
    """The help of --flagfile; what it gives is read before any flag is parsed."""

    flagfile: list = setting(
        [],
        "Flags of a file, or of one that comes with the package, such as stage3, faces or "
        "paper/table3_f; what follows it has the last word.",
        repeated=True,
    )


def shipped_names() -> list[str]:
    """The names of the flag files that come with the package, sorted, as "paper/table3_f"."""
    folder = pathlib.Path(shipped_root(FOLDER), FOLDER)
    return sorted(
        path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.cfg")
    )


def find_flag_file(path: str) -> str:
    """The path of a flag file.

    Args:
        path: a path, or the name of a file that comes with the package.

    Raises:
        ValueError: if there is neither, with the names that are near, in one line.
    """
    if os.path.exists(path) and not os.path.isdir(path):  # a pipe, too
        return path
    name = path.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX)
    names = shipped_names()
    if name in names:
        return os.path.join(shipped_root(FOLDER), FOLDER, *f"{name}{SUFFIX}".split("/"))
    raise ValueError(
        f"there is no {path}, neither here nor in the package; near it: "
        f"{', '.join(_near(name, names))}."
    )


def _near(name, names):
    """Up to three names that are like one, of which the folder may have been left out."""
    short = {}
    for each in names:
        short.setdefault(each.rpartition("/")[2], []).append(each)
    near = [*difflib.get_close_matches(name, names, n=3, cutoff=0.6)]
    for each in difflib.get_close_matches(name.rpartition("/")[2], short, n=3, cutoff=0.6):
        near += short[each]
    return list(dict.fromkeys(near))[:3] or difflib.get_close_matches(name, names, n=3, cutoff=0)


class _Reader(flags.FlagValues):
    """absl's reader of flag files, which it asks for each one, also for those inside of others.

    absl opens them in the encoding of the system, and takes lines of them as they stand.
    """

    def _get_flag_file_lines(self, filename, parsed_file_stack=None):
        if not filename:
            return []  # as absl does
        stack = parsed_file_stack or []
        try:
            path = os.path.abspath(_beside(filename, stack) or find_flag_file(filename))
            if path in stack:
                raise ValueError(f"it includes itself, by way of {stack[-1]}.")
            lines = [line.strip() for line in _text(path).splitlines()]
        except (ValueError, OSError) as error:
            raise ValueError(f"--flagfile={filename}: {error}") from None
        found = []
        for line in lines:
            if self._is_flag_file_directive(line):
                found += self._get_flag_file_lines(self._extract_filename(line), [*stack, path])
            elif line and not line.startswith(("#", "//")):
                found.append(line)
        return found


def _beside(filename, stack):
    """The path of a file beside the last flag file, or in a folder above it; None without."""
    folders = pathlib.Path(stack[-1]).parents if stack else ()
    return next((str(f / filename) for f in folders if os.path.isfile(f / filename)), None)


def _text(path):
    """The text of a flag file: UTF-8, or what its byte order mark says, as Windows writes them."""
    with open(path, "rb") as file:
        content = file.read()
    marks = {
        codecs.BOM_UTF32_LE: "utf-32",  # begins with that of UTF-16
        codecs.BOM_UTF32_BE: "utf-32",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
    }
    encoding = next((e for mark, e in marks.items() if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8: save it as such.") from None
    if "\0" in text:
        raise ValueError(f"{path} is no text: save it as UTF-8.")
    return text


def read_flag_files(argv: Sequence[str]) -> list[str]:
    """A command line with the flags of its flag files in the places of --flagfile.

    Args:
        argv: list of the program's name and its arguments.

    Raises:
        ValueError: for a file that does not exist or is no text, in one line.
        flags.Error: where the name of a file is missing.
    """
    return [argv[0], *_Reader().read_flags_from_files(argv[1:])]


def parse(argv: Sequence[str]) -> list[str]:
    """Parses a command line, for `absl.app.run`; ends the program if a flag file is missing."""
    with one_line_errors(ValueError, OSError, flags.Error):
        given = read_flag_files(argv)
    return app.parse_flags_with_usage(given)
