"""What the programs share: a flag for every setting of a dataclass, and errors of one line."""

import contextlib
import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from absl import app, flags, logging

_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}

Settings = TypeVar("Settings")


def setting(
    default: Any, text: str, repeated: bool = False, flag: str = "", key: bool = False
) -> Any:
    """A field of a dataclass of settings.

    Args:
        default: its value if nothing is given, a bool, int, float, str or list of str; lists are
            copied.
        text: its help.
        repeated: for a list, whether the flag is given once for each entry, not with commas.
        flag: name of its flag. Default: the field's.
        key: whether --help shows it where only some settings are shown, see `define_flags`.
    """
    metadata = {"help": text, "repeated": repeated, "flag": flag, "key": key}
    if isinstance(default, (list, tuple)):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def define_flags(
    settings: type,
    values: flags.FlagValues = flags.FLAGS,
    without: Collection[str] = (),
    section: str = "",
) -> None:
    """Defines a flag for every field of a dataclass whose fields were made by `setting`.

    A field may also be a dataclass of settings itself, a group. Groups do not show in the names of
    flags; each is a section of --helpfull, which its class names.

    --help shows the settings marked `key`; where none is, all of a dataclass that is no section.

    Args:
        settings: the dataclass; without arguments it gives the defaults.
        values: `absl.flags.FlagValues` that the flags belong to.
        without: names of flags that are left out.
        section: where --helpfull shows the fields that are no groups. Default: the program itself,
            or the class' name if some are marked `key`.

    Raises:
        absl.flags.DuplicateFlagError: if two settings have one flag.
    """
    if not section and any(field.metadata.get("key") for field in dataclasses.fields(settings)):
        section = settings.__name__
    for field, default in _fields(settings):
        if dataclasses.is_dataclass(default):
            define_flags(type(default), values, without, section=type(default).__name__)
            continue
        name = _flag(field)
        if name in without:
            continue
        arguments = (name, default, field.metadata["help"])
        where = {"flag_values": values, "module_name": section or sys.argv[0]}
        if field.metadata["repeated"]:
            flags.DEFINE_multi_string(*arguments, **where)
        elif isinstance(default, list):
            flags.DEFINE_list(*arguments, **where)
        else:
            _DEFINE[type(default)](*arguments, **where)
        if section and field.metadata["key"]:
            values.register_key_flag_for_module(sys.argv[0], values[name])


def from_flags(settings: type[Settings], values: flags.FlagValues = flags.FLAGS) -> Settings:
    """The settings that parsed flags give, defaults where there is no flag; see `define_flags`.

    A text that begins with ~/ or ~NAME/ is a path in a user's home, as in other programs: shells
    leave it as it is behind --flag=.
    """
    given = {}
    for field, default in _fields(settings):
        if dataclasses.is_dataclass(default):
            given[field.name] = from_flags(type(default), values)
        elif _flag(field) in values:
            given[field.name] = _at_home(values[_flag(field)].value)
    return settings(**given)


def _at_home(value):
    """A flag's value, with a user's home in the place of ~ where a path begins in its texts.

    That is at the start, behind the = of NAME=PATH, and behind a comma.
    """
    if isinstance(value, list):
        return [_at_home(each) for each in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"(^|(?<=[=,]))~[^/,=]*(?=/|$)", lambda home: os.path.expanduser(home[0]), value)


def _fields(settings):
    """Pairs of a field of a dataclass and its default."""
    defaults = settings()
    return [(field, getattr(defaults, field.name)) for field in dataclasses.fields(settings)]


def _flag(field):
    return field.metadata["flag"] or field.name


def run(
    program: Callable[[list[str]], None],
    text: str | None,
    parse: Callable[[list[str]], list[str]] = app.parse_flags_with_usage,
) -> None:
    """Parses the command line and runs a program, whose flags have been defined.

    Args:
        program: function of the words that are no flags, a list.
        text: what --help begins with.
        parse: function of the command line, see `absl.app.run`.
    """
    sys.modules["__main__"].__doc__ = text  # where absl takes it from
    app.run(lambda argv: program(argv[1:]), flags_parser=parse)


def check_arguments(words: Sequence[str]) -> None:
    """Refuses words that are no flags.

    Raises:
        ValueError: for the first one.
    """
    if words:
        raise ValueError(f"Unknown argument '{words[0]}': flags begin with --.")


def typed_command() -> str:
    """The command line that runs, as one would type it."""
    program = sys.argv[0]
    start = f"python {shlex.quote(program)}" if program.endswith(".py") else program
    return f"{start} {shlex.join(sys.argv[1:])}".rstrip()


def first_line(error: BaseException) -> str:
    """What an error says first: its first line that is not blank, or else its class' name."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


@contextlib.contextmanager
def one_line_errors(
    *kinds: type[BaseException],
    end: str = "",
    interrupted: str = "the same command goes on from what is finished.",
) -> Iterator[None]:
    """Ends the program with one line that says what was wrong.

    Args:
        *kinds: classes of errors.
        end: what to say behind their first line.
        interrupted: what to say when the user stops the program.
    """
    try:
        yield
    except kinds as error:
        logging.debug("Raised here:", exc_info=True)
        sys.exit(f"error: {first_line(error)}{end}")
    except KeyboardInterrupt:
        sys.exit(f"Interrupted; {interrupted}")
