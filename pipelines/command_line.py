"""What the programs share: a flag for every setting of a dataclass, and errors of one line."""

import contextlib
import dataclasses
import sys

from absl import flags, logging

# So that --help of a program shows the settings as its own.
flags.disclaim_key_flags()

_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def setting(default, text, repeated=False):
    """A field of a dataclass of settings.

    Args:
        default: its value if nothing is given; lists are copied.
        text: its help.
        repeated: for a list, whether the flag is given once for each entry, not with commas.
    """
    metadata = {"help": text, "repeated": repeated}
    if isinstance(default, (list, tuple)):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def define_flags(settings, values=flags.FLAGS, without=()):
    """Defines a flag for every field of a dataclass whose fields were made by `setting`.

    Args:
        settings: the dataclass.
        values: `absl.flags.FlagValues` that the flags belong to.
        without: names of fields that get none.
    """
    defaults = settings()
    for field in dataclasses.fields(settings):
        if field.name in without:
            continue
        default, text = getattr(defaults, field.name), field.metadata["help"]
        if field.metadata["repeated"]:
            flags.DEFINE_multi_string(field.name, default, text, flag_values=values)
        elif isinstance(default, list):
            flags.DEFINE_list(field.name, default, text, flag_values=values)
        else:
            _DEFINE[type(default)](field.name, default, text, flag_values=values)


def from_flags(settings, values=flags.FLAGS):
    """The settings that parsed flags give, defaults where there is no flag; see `define_flags`."""
    names = [field.name for field in dataclasses.fields(settings) if field.name in values]
    return settings(**{name: values[name].value for name in names})


def check_arguments(argv):
    """Refuses arguments that are no flags.

    Raises:
        ValueError: for the first one.
    """
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}': flags begin with --.")


@contextlib.contextmanager
def one_line_errors(*kinds, end="", interrupted="the same command goes on from what is finished."):
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
        sys.exit(f"error: {str(error).splitlines()[0]}{end}")
    except KeyboardInterrupt:
        sys.exit(f"Interrupted; {interrupted}")
