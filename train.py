"""Trains a sparse ConvNet: python train.py --flagfile=flags/stage3.cfg"""

import contextlib
import dataclasses
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import app, flags, logging  # noqa: E402

from pipelines.drawing import draw_augmentation, draw_regions  # noqa: E402
from sparseface_tf.experiment import Experiment  # noqa: E402
from sparseface_tf.report import region_table  # noqa: E402
from sparseface_tf.stages import Stages  # noqa: E402

DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
for field in dataclasses.fields(Experiment):
    default = getattr(Experiment(), field.name)
    if field.name == "sparsify":
        flags.DEFINE_multi_string(field.name, default, field.metadata["help"])
    elif isinstance(default, list):
        flags.DEFINE_list(field.name, default, field.metadata["help"])
    else:
        DEFINE[type(default)](field.name, default, field.metadata["help"])
flags.DEFINE_string(
    "draw_regions", "", "Only write a contact sheet of --region (all: --region=all) to this PNG."
)
flags.DEFINE_string(
    "draw_augmentation", "", "Only write a contact sheet of the augmentation to this PNG."
)


def experiment():
    """The run that the flags describe."""
    return Experiment(**{f.name: flags.FLAGS[f.name].value for f in dataclasses.fields(Experiment)})


def main(argv):
    logging.set_verbosity(logging.INFO)
    with one_line_errors(ValueError, OSError):
        if len(argv) > 1:
            raise ValueError(f"Unknown argument '{argv[1]}': flags begin with --.")
        experiments = experiment().runs()
        for run in experiments:
            run.check()
        if flags.FLAGS.draw_regions or flags.FLAGS.draw_augmentation:
            draw(experiments)
            return
    for run in experiments:
        train(run)
    if len(experiments) > 1:
        print(region_table(experiment().output, experiments))


def train(run):
    """Trains one experiment, or what is left of it."""
    keras.backend.clear_session()
    with one_line_errors(ValueError, OSError):
        stages = Stages(run)
        stages.prepare()
    # An image that has gone, a disk that is full.
    kept = ". What is finished is kept; the same command goes on from there."
    with one_line_errors(OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError, end=kept):
        stages.run()


def draw(experiments):
    """Writes the contact sheets that were asked for, and nothing else."""
    faces = experiments[0].open_faces()
    regions = [run.region_of_face() for run in experiments]
    if flags.FLAGS.draw_regions:
        draw_regions(faces, regions, flags.FLAGS.draw_regions)
    if flags.FLAGS.draw_augmentation:
        augmentation = experiments[0].augmentation()
        draw_augmentation(faces, regions[0], augmentation, flags.FLAGS.draw_augmentation)


@contextlib.contextmanager
def one_line_errors(*kinds, end=""):
    """Ends the program with one line that says what was wrong."""
    try:
        yield
    except kinds as error:
        logging.debug("Raised here:", exc_info=True)
        sys.exit(f"error: {str(error).splitlines()[0]}{end}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command goes on from the last checkpoint.")


if __name__ == "__main__":
    app.run(main)
