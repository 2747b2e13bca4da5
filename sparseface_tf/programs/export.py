"""Exports a trained network: sparseface export --model=runs/faces --output=saved_models/faces"""

from pipelines.command_line import check_arguments, define_flags, from_flags, one_line_errors, run
from pipelines.quiet import import_tensorflow
from sparseface_tf.export.settings import Export
from sparseface_tf.programs.backend import check_backend
from sparseface_tf.programs.flag_files import FlagFile, parse


def main():
    define_flags(FlagFile)
    define_flags(Export)
    run(program, __doc__, parse)


def program(words):
    with one_line_errors(ValueError, OSError, interrupted="nothing was written."):
        check_arguments(words)
        check_backend()
        export = from_flags(Export)
        export.check()
        # With TensorFlow, which takes seconds: a wrong flag need not wait for it.
        import_tensorflow()
        from sparseface_tf.export import open_exporter  # noqa: PLC0415

        exporter = open_exporter(export)
        exporter.prepare()
        exporter.run()
