"""Trains a sparse ConvNet: python train.py --flagfile=flags/stage3.cfg"""

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
        check_arguments(argv)
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
        print(region_table(experiment.output, experiments))


@own_session()
def train(run):
    """Trains one experiment, or what is left of it."""
    with one_line_errors(ValueError, OSError):
        stages = Stages(run)
        stages.prepare()
    # An image that has gone, a disk that is full.
    kept = ". What is finished is kept; the same command goes on from there."
    with one_line_errors(OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError, end=kept):
        print(stages.run())


def draw(experiments):
    """Writes the contact sheets that were asked for, and nothing else."""
    faces = experiments[0].open_faces()
    regions = [run.region_of_face() for run in experiments]
    if flags.FLAGS.draw_regions:
        draw_regions(faces, regions, flags.FLAGS.draw_regions)
    if flags.FLAGS.draw_augmentation:
        augmentation = experiments[0].augmentation()
        draw_augmentation(faces, regions[0], augmentation, flags.FLAGS.draw_augmentation)


if __name__ == "__main__":
    app.run(main)
