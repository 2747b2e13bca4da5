"""Trains a sparse ConvNet: python train.py --flagfile=flags/stage3.cfg"""

import contextlib
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
from pipelines.drawing.sheets import draw_augmentation, draw_regions  # noqa: E402
from sparseface_tf.runs import RunFolder
from sparseface_tf.training.experiment import Experiment  # noqa: E402
from sparseface_tf.training.session import own_session  # noqa: E402
from sparseface_tf.training.stages import Stages  # noqa: E402
from sparseface_tf.training.table import region_table  # noqa: E402

define_flags(Experiment)
flags.DEFINE_string(
    "draw_regions", "", "Only write a contact sheet of --region (all: --region=all) to this PNG."
)
flags.DEFINE_string(
    "draw_augmentation", "", "Only write a contact sheet of the augmentation to this PNG."
)


def main(argv):
    logging.set_verbosity(logging.INFO)
    with one_line_errors(ValueError, OSError):
        check_arguments(argv[1:])
        experiment = from_flags(Experiment)
        experiments = experiment.runs()
        for run in experiments:
            run.check()
        if flags.FLAGS.draw_regions or flags.FLAGS.draw_augmentation:
            draw(experiments)
            return
    for run in experiments:
        train(run)
    if len(experiments) > 1:
        folders = {run.data.region: RunFolder(run.run.output) for run in experiments}
        print(region_table(experiment.run.output, folders))


@own_session()
def train(run):
    """Trains one experiment, or what is left of it."""
    with contextlib.ExitStack() as opened:
        with one_line_errors(ValueError, OSError):
            stages = opened.enter_context(Stages(run))
            stages.prepare()
        # An image that has gone, a disk that is full.
        kept = ". What is finished is kept; the same command goes on from there."
        expected = (OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError)
        with one_line_errors(*expected, end=kept):
            print(stages.run())


def draw(experiments):
    """Writes the contact sheets that were asked for, and nothing else."""
    first = experiments[0]
    faces = first.data.open_faces(first.run.seed)
    regions = [run.region() for run in experiments]
    if flags.FLAGS.draw_regions:
        draw_regions(faces, regions, flags.FLAGS.draw_regions)
    if flags.FLAGS.draw_augmentation:
        augmentation = first.augmentation.made()
        draw_augmentation(faces, regions[0], augmentation, flags.FLAGS.draw_augmentation)


if __name__ == "__main__":
    app.run(main)
