"""Exports a trained network: python export.py --model=runs/faces --output=saved_models/faces"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, logging  # noqa: E402

from pipelines.command_line import (  # noqa: E402
    check_arguments,
    define_flags,
    from_flags,
    one_line_errors,
)
from sparseface_tf.export.formats import open_exporter  # noqa: E402
from sparseface_tf.export.settings import Export  # noqa: E402

define_flags(Export)


def main(argv):
    logging.set_verbosity(logging.INFO)
    with one_line_errors(ValueError, OSError, interrupted="nothing was written."):
        check_arguments(argv[1:])
        export = from_flags(Export)
        export.check()
        exporter = open_exporter(export)
        exporter.prepare()
        exporter.run()


if __name__ == "__main__":
    app.run(main)
