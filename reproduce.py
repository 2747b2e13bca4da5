"""Runs the comparisons of the paper: python reproduce.py --table=8 --scale=smoke"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
from absl import app, flags, logging  # noqa: E402

from pipelines.command_line import (  # noqa: E402
    check_arguments,
    define_flags,
    from_flags,
    one_line_errors,
)
from sparseface_tf.reproduction.reproducer import ROWS, Reproducer, Reproduction  # noqa: E402
from sparseface_tf.training.experiment import Experiment  # noqa: E402

SCALES = os.path.join("flags", "scale")

define_flags(Reproduction)
define_flags(Experiment, without=ROWS)


def parse(argv):
    """Parses the flags of the scale first, so that those given override them."""
    app.parse_flags_with_usage(argv)
    path = os.path.join(SCALES, f"{flags.FLAGS.scale}.cfg")
    with one_line_errors(ValueError):
        if not os.path.isfile(path):
            raise ValueError(
                f"--scale={flags.FLAGS.scale}: there is no {path}; run this in the project's "
                "folder, with --scale=study, paper, poster or smoke."
            )
    flags.FLAGS.unparse_flags()
    return app.parse_flags_with_usage([argv[0], f"--flagfile={path}", *argv[1:]])


def main(argv):
    logging.set_verbosity(logging.INFO)
    with one_line_errors(ValueError, OSError):
        check_arguments(argv[1:])
        reproducer = Reproducer(from_flags(Reproduction), from_flags(Experiment))
        reproducer.prepare()
    # An image that has gone, a disk that is full.
    kept = ". What is finished is kept; the same command goes on from there."
    expected = (ValueError, OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError)
    with one_line_errors(*expected, end=kept):
        reproducer.run()


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
