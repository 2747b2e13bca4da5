"""The child process of exporter.py: a SavedModel by TensorFlow alone.

    python worker.py MODEL FOLDER JOB

runs signatures of the model. JOB is {signature: [names of inputs]}; SIGNATURE.INPUT.pb in the
folder is the input, a TensorProto, and SIGNATURE.npz becomes the outputs. Needs TensorFlow.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

BATCH = 32


def run(function, inputs):
    """Outputs of a signature, dict of arrays, some faces at a time."""
    faces, parts = len(next(iter(inputs.values()))), []
    for start in range(0, faces, BATCH):
        part = {name: tf.constant(value[start : start + BATCH]) for name, value in inputs.items()}
        parts.append(function(**part))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def main(path, folder, job):
    model = tf.saved_model.load(path)
    for signature, names in json.loads(job).items():
        inputs = {}
        for name in names:
            with open(os.path.join(folder, f"{signature}.{name}.pb"), "rb") as file:
                proto = tf.make_tensor_proto(0)
                proto.ParseFromString(file.read())
            inputs[name] = tf.make_ndarray(proto)
        np.savez(os.path.join(folder, signature), **run(model.signatures[signature], inputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
