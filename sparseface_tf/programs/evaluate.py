"""Evaluates trained networks: sparseface evaluate --model=runs/faces --protocol=lfw --data=DIR"""

from pipelines.command_line import check_arguments, define_flags, from_flags, one_line_errors, run
from sparseface_tf.evaluation import Evaluation, Evaluator
from sparseface_tf.programs.backend import check_backend
from sparseface_tf.programs.flag_files import FlagFile, parse


def main():
    define_flags(FlagFile)
    define_flags(Evaluation)
    run(program, __doc__, parse)


def program(words):
    with one_line_errors(ValueError, OSError):
        check_arguments(words)
        check_backend()
        evaluator = Evaluator(from_flags(Evaluation))
        evaluator.prepare()
        evaluator.run()
