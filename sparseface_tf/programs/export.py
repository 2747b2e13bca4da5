"""Exports a trained network: sparseface export --model=runs/faces --output=saved_models/faces"""

from pipelines.command_line import check_arguments, define_flags, from_flags, one_line_errors, run
from sparseface_tf.export import Export, open_exporter
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
        exporter = open_exporter(export)
        exporter.prepare()
        exporter.run()
