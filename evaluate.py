"""Evaluates trained networks: python evaluate.py --model=runs/faces --protocol=lfw --data=DIR"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, logging  # noqa: E402

from pipelines.command_line import (  # noqa: E402
    check_arguments,
    define_flags,
    from_flags,
    one_line_errors,
)
from sparseface_tf.evaluation.evaluator import Evaluation, Evaluator  # noqa: E402

define_flags(Evaluation)


def main(argv):
    logging.set_verbosity(logging.INFO)
    with one_line_errors(ValueError, OSError):
        check_arguments(argv[1:])
        evaluator = Evaluator(from_flags(Evaluation))
        evaluator.prepare()
        evaluator.run()


if __name__ == "__main__":
    app.run(main)
