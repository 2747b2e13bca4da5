"""Flag files by name: --flagfile=stage3 for the one that comes with the package.

A file that exists at the path that is given wins. Otherwise the name is looked up among the files
that come with the package, with or without "flags/" before it and ".cfg" behind it. The same holds
for the --flagfile= lines inside of flag files, so that these work from any folder.
"""

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
    """absl's reader of flag files, which it asks for each one, also for those inside of others."""

    def _get_flag_file_lines(self, filename, parsed_file_stack=None):
        try:
            path = find_flag_file(filename) if filename else filename  # absl takes none for nothing
        except ValueError as error:
            raise ValueError(f"--flagfile={filename}: {error}") from None
        return super()._get_flag_file_lines(path, parsed_file_stack)


def read_flag_files(argv: Sequence[str]) -> list[str]:
    """A command line with the flags of its flag files in the places of --flagfile.

    Args:
        argv: list of the program's name and its arguments.

    Raises:
        ValueError: for a file that does not exist, in one line.
    """
    return [argv[0], *_Reader().read_flags_from_files(argv[1:])]


def parse(argv: Sequence[str]) -> list[str]:
    """Parses a command line, for `absl.app.run`; ends the program if a flag file is missing."""
    with one_line_errors(ValueError, OSError):
        given = read_flag_files(argv)
    return app.parse_flags_with_usage(given)
