"""Recognises faces: python recognize.py COMMAND [--flag=…], where COMMAND is one of

    verify A.jpg B.jpg         whether two photographs are of the same person
    enroll NAME PHOTO…         adds a person's faces to the gallery
    identify PHOTO…            who of the gallery is in photographs
    gallery list               who is in the gallery
    gallery remove NAME        removes a person
    calibrate --data=DIR       learns what scores mean, once for each network
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags, logging  # noqa: E402

from pipelines.command_line import define_flags, from_flags, one_line_errors  # noqa: E402
from sparseface_tf.recognition.commands import Recogniser, Recognition  # noqa: E402

# absl's flags, as in all programs here: with a flag for each setting, --flagfile and --help. That
# they may stand before or behind a command's words is all that argparse would add.
define_flags(Recognition)
flags.FLAGS.set_gnu_getopt(True)


def main(argv):
    logging.set_verbosity(logging.INFO)
    with one_line_errors(ValueError, OSError):
        recogniser = Recogniser(from_flags(Recognition), root=os.path.dirname(__file__))
        recogniser.run(argv[1:])


if __name__ == "__main__":
    app.run(main)
