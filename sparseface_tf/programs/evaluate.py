"""Evaluates trained networks: sparseface evaluate --model=runs/faces --protocol=lfw --data=DIR"""

from pipelines.command_line import check_arguments, define_flags, from_flags, one_line_errors, run
from pipelines.quiet import import_tensorflow
from sparseface_tf.evaluation.settings import Evaluation
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
        evaluation = from_flags(Evaluation)
        evaluation.check()
        # With TensorFlow, which takes seconds: a wrong flag need not wait for it.
        import_tensorflow()
        from sparseface_tf.evaluation import Evaluator  # noqa: PLC0415

        evaluator = Evaluator(evaluation)
        evaluator.prepare()
        evaluator.run()
