"""Trains a sparse ConvNet: python train.py --flagfile=flags/stage3.cfg"""

import dataclasses
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
from absl import app, flags, logging  # noqa: E402

from sparseface_tf.experiment import Experiment  # noqa: E402
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


def experiment():
    """The run that the flags describe."""
    return Experiment(**{f.name: flags.FLAGS[f.name].value for f in dataclasses.fields(Experiment)})


def main(argv):
    logging.set_verbosity(logging.INFO)
    try:
        if len(argv) > 1:
            raise ValueError(f"Unknown argument '{argv[1]}': flags begin with --.")
        stages = Stages(experiment())
        stages.prepare()
    except (ValueError, OSError) as error:
        logging.debug("Raised here:", exc_info=True)
        sys.exit(f"error: {error}")
    try:
        stages.run()
    except (OSError, tf.errors.NotFoundError, tf.errors.ResourceExhaustedError) as error:
        # An image that has gone, a disk that is full.
        logging.debug("Raised here:", exc_info=True)
        reason = str(error).splitlines()[0]
        sys.exit(f"error: {reason}. What is finished is kept; the same command goes on from there.")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command goes on from the last checkpoint.")


if __name__ == "__main__":
    app.run(main)
