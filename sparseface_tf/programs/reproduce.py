"""Runs the comparisons of the papers: sparseface reproduce --table=8 --scale=smoke"""

from collections.abc import Sequence

import tensorflow as tf
from absl import app, flags

from pipelines.command_line import check_arguments, define_flags, from_flags, one_line_errors, run
from sparseface_tf.programs.backend import check_backend
from sparseface_tf.programs.flag_files import FlagFile, find_flag_file, read_flag_files
from sparseface_tf.reproduction.reproducer import ROWS, Reproducer, Reproduction
from sparseface_tf.training.experiment import Experiment


def main():
    define_flags(FlagFile)
    define_flags(Reproduction)
    define_flags(Experiment, without=ROWS)
    run(program, __doc__, parse)


def parse(argv: Sequence[str]) -> list[str]:
    """Parses the flags of the scale first, so that those given override them."""
    with one_line_errors(ValueError, OSError):
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


def program(words):
    with one_line_errors(ValueError, OSError):
        check_arguments(words)
        check_backend()
        reproducer = Reproducer(from_flags(Reproduction), from_flags(Experiment))
        reproducer.prepare()
    # An image that has gone, a disk that is full.
    kept = ". What is finished is kept; the same command goes on from there."
    expected = (ValueError, OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError)
    with one_line_errors(*expected, end=kept):
        reproducer.run()
