"""Recognises faces: sparseface recognize COMMAND [--flag=…], where COMMAND is one of

verify A.jpg B.jpg         whether two photographs are of the same person
enroll NAME PHOTO…         adds a person's faces to the gallery
identify PHOTO…            who of the gallery is in photographs
gallery list               who is in the gallery
gallery remove NAME        removes a person
calibrate --data=DIR       learns what scores mean, once for each network
"""

from absl import flags

from pipelines.command_line import define_flags, from_flags, one_line_errors, run
from sparseface_tf.programs.backend import check_backend
from sparseface_tf.programs.flag_files import FlagFile, parse
from sparseface_tf.programs.shipped import shipped_root
from sparseface_tf.recognition import Recogniser, Recognition
from sparseface_tf.recognition.settings import DEFAULT_MODEL


def main():
    # absl's flags, as in all programs here: with a flag for each setting, --flagfile and --help.
    # That they may stand before or behind a command's words is all that argparse would add.
    define_flags(FlagFile)
    define_flags(Recognition)
    flags.FLAGS.set_gnu_getopt(True)
    run(program, __doc__, parse)


def program(words):
    with one_line_errors(ValueError, OSError):
        check_backend()
        recogniser = Recogniser(from_flags(Recognition), root=shipped_root(DEFAULT_MODEL))
        recogniser.run(words)
