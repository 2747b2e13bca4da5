"""Parses command lines with the real flags of their programs, without running these.

A process of its own, which test_docs.py starts, as programs define flags for the whole process:
JSON on standard input, a list of command lines; JSON on standard output, what is wrong with each, or
null.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import re
import runpy
import shlex
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent
# Other people's programs, whose flags are not checked.
OTHERS = {"pip", "lint-imports", "ruff", "mkdocs", ".", "curl"}
MODULES = {"pytest", "venv"}
# Flags that print and end.
HELP = {"--help", "--helpfull", "--version"}
# Programs with arguments that are no flags.
WITH_WORDS = ("recognize",)


class Parsed(BaseException):
    """Ends a program once its command line is parsed; carries the words that are no flags."""


def parse_flags_only(main, argv=None, flags_parser=None):
    """In the place of `absl.app.run`."""
    raise Parsed((flags_parser or app.parse_flags_with_usage)(argv or sys.argv)[1:])


def parse_args_only(parser, parse=argparse.ArgumentParser.parse_args):
    """In the place of `argparse`'s method."""
    parse(parser)
    raise Parsed([])


def start(words):
    """Runs a program as its command line says, until its flags are parsed."""
    if words[0] == "sparseface":
        sys.argv = words
        runpy.run_module("sparseface_tf.programs", run_name="__main__")
    elif words[1] == "-m":
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__")
    else:
        sys.argv = words[1:]
        # Programs import what lies beside them.
        sys.path.insert(0, os.path.dirname(words[1]) or ".")
        runpy.run_path(words[1], run_name="__main__")


def fault(line):
    """What is wrong with a command line, in a string; None if it would run."""
    words = [word for word in shlex.split(line, comments=True) if word not in HELP]
    if words[0] in OTHERS or words[:2] == ["python", "-m"] and words[2] in MODULES:
        return None
    before, said = set(flags.FLAGS), io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            start(words)
        return "it parsed no command line"
    except Parsed as parsed:
        others = parsed.args[0]
        allowed = any(name in word for name in WITH_WORDS for word in words[:2])
        return None if allowed or not others else f"unknown argument {others[0]}"
    except SystemExit as end:
        message = f"{end} {said.getvalue().strip()}"
        # A program that is only named.
        named = not any(word.startswith("--") for word in words)
        return None if named and re.search("must have a value|are required", message) else message
    except (ImportError, OSError, flags.Error) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        # The next program has flags of the same names.
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    app.run = parse_flags_only
    argparse.ArgumentParser.parse_args = parse_args_only
    print(json.dumps([fault(line) for line in json.load(sys.stdin)]))
