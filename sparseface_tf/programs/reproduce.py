"""Runs the comparisons of the papers: sparseface reproduce --table=8 --scale=smoke"""

import sys
from collections.abc import Sequence

import tensorflow as tf
from absl import app, flags

from pipelines.command_line import check_arguments, define_flags, from_flags, one_line_errors, run
from sparseface_tf.programs.backend import check_backend
from sparseface_tf.programs.flag_files import FlagFile, find_flag_file, read_flag_files
from sparseface_tf.reproduction.duration import duration, told_duration
from sparseface_tf.reproduction.reproducer import ROWS, Reproducer, Reproduction
from sparseface_tf.training.experiment import Experiment

# Seconds of training that are begun without asking.
ASKED = 600


def main():
    define_flags(FlagFile)
    define_flags(Reproduction)
    define_flags(Experiment, without=ROWS)
    run(program, __doc__, parse)


def parse(argv: Sequence[str]) -> list[str]:
    """Parses the flags of the scale first, so that those given override them."""
    with one_line_errors(ValueError, OSError, flags.Error):
        given = read_flag_files(argv)
    app.parse_flags_with_usage(given)
    with one_line_errors(ValueError, OSError):
        scale = read_flag_files([argv[0], f"--flagfile={scale_file(flags.FLAGS.scale)}"])
    flags.FLAGS.unparse_flags()
    return app.parse_flags_with_usage([*scale, *given[1:]])


def scale_file(scale: str) -> str:
    """The path of a scale's flag file.

    Raises:
        ValueError: if there is none of that name.
    """
    try:
        return find_flag_file(f"flags/scale/{scale}.cfg")
    except ValueError as error:
        raise ValueError(f"--scale={scale}: {error}") from None


def ask(reproducer: Reproducer) -> None:
    """Says how long the training takes, and asks whether it shall begin if that is long.

    Raises:
        ValueError: if nobody can be asked and --yes is not given.
        SystemExit: if the answer is no.
    """
    missing, reproduction = reproducer.missing(), reproducer.reproduction
    if not missing or reproduction.yes:
        return
    seconds = duration(missing, reproducer.settings)
    networks = f"{len(missing)} network{'s' * (len(missing) > 1)}"
    told = f"Training {networks} takes at least {told_duration(seconds)} on this machine"
    if seconds <= ASKED:
        print(f"{told}.", flush=True)
        return
    print(
        f"{told}, not counting what is read and tested. It can be stopped at any time; the same "
        f"command goes on. To see a table in minutes: --scale=smoke. Fewer networks: --seeds=1.",
        flush=True,
    )
    if not sys.stdin.isatty():
        raise ValueError("Nobody is there to be asked: begin with --yes.")
    if input("Begin? [y/N] ").strip().lower() not in ("y", "yes"):
        sys.exit("Nothing was trained.")


def program(words):
    with one_line_errors(ValueError, OSError):
        check_arguments(words)
        check_backend()
        reproducer = Reproducer(from_flags(Reproduction), from_flags(Experiment))
        reproducer.prepare()
        print(reproducer.plan())
        ask(reproducer)
    # An image that has gone, a disk that is full.
    kept = ". What is finished is kept; the same command goes on from there."
    expected = (ValueError, OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError)
    with one_line_errors(*expected, end=kept):
        reproducer.run()
