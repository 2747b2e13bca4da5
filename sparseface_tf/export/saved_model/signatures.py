"""A trained network as a SavedModel: what a server does with faces, as signatures of one graph.

    serving_default  image                        -> embedding
    embed_jpeg       image, landmarks             -> embedding
    embed_jpeg_box   image, box                   -> embedding
    verify           image_a, image_b             -> score[, probability]
    score            embedding_a, embedding_b     -> score[, probability]

Every input and output has the number of faces, any, as its first axis. The graph holds the
network's weights alone: a mask has done its work once the weights that it drops are zeros.
"""

import os

import numpy as np
import tensorflow as tf
from absl import logging

from pipelines.batches.batches import network_input
from pipelines.faces.images import decode
from pipelines.inspection.checking import OUTSIDE
from pipelines.sources.boxed_faces import box_landmarks
from sparseface_tf.embedding.saved_model import DEFAULT
from sparseface_tf.recognition.scoring import COSINE, JOINT_BAYESIAN

SIGNATURES = (DEFAULT, "embed_jpeg", "embed_jpeg_box", "verify", "score")
SMALLEST = 16  # pixels of an image's side, as for training


def write_saved_model(path, network, region, scoring=None):
    """Writes a network with its signatures.

    Args:
        path: folder to write into.
        network: network computing in float32, see `in_float32`.
        region: the `Region` that it sees.
        scoring: pair of a scorer's name and its `Scoring`, whose probabilities `verify` and `score`
            give; None for the cosine, without probabilities.
    """
    model = tf.Module()
    signatures = _Signatures(model, network, region, scoring).traced()
    # Those that the graphs read, and no others: no masks, no state of an optimizer or of dropout.
    used = {}
    for signature in signatures.values():
        used |= {id(variable): variable for variable in signature.variables}
    model.weights = list(used.values())
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells how it names things
    try:
        tf.saved_model.save(model, os.fspath(path), signatures=signatures)
    finally:
        logging.set_verbosity(verbosity)


def symmetric(region):
    """Whether a mirrored crop is the crop of the mirrored face."""
    mirrored = region.mirrored()
    return (mirrored.landmarks, mirrored.offset) == (region.landmarks, region.offset)


class _Signatures:
    """Traces the signatures, see `write_saved_model`; `model` keeps what they need."""

    def __init__(self, model, network, region, scoring):
        self.network, self.region = network, region
        self.name, self.scoring = scoring or (COSINE, None)
        self.shape, self.features = network.input_shape[1:], network.output_shape[-1]
        crops = tf.TensorSpec((None, *self.shape), tf.float32)
        # Traced once for all signatures.
        self._embed = tf.function(
            lambda crops: network(crops, training=False), input_signature=[crops], autograph=False
        )
        self.parameters = None
        if self.name == JOINT_BAYESIAN:
            arrays = self.scoring.scorer.to_arrays()
            model.parameters = self.parameters = {
                name: tf.Variable(value, trainable=False, name=f"joint_bayesian_{name}")
                for name, value in arrays.items()
            }

    def traced(self):
        """Dict from the signature's name to its concrete function."""
        contents = ("image", (), tf.string)
        pair = [(f"image_{x}", self.shape, tf.float32) for x in "ab"]
        features = [(f"embedding_{x}", (self.features,), tf.float32) for x in "ab"]
        return {
            DEFAULT: _traced(self.embed, [("image", self.shape, tf.float32)]),
            "embed_jpeg": _traced(
                self.embed_jpeg, [contents, ("landmarks", (5, 2), tf.float32)]
            ),
            "embed_jpeg_box": _traced(self.embed_jpeg_box, [contents, ("box", (4,), tf.float32)]),
            "verify": _traced(self.verify, pair),
            "score": _traced(self.score, features),
        }

    def embed(self, image):
        return {"embedding": self._embed(image)}

    def embed_jpeg(self, image, landmarks):
        return self._embed_files(image, landmarks, _check_landmarks)

    def embed_jpeg_box(self, image, box):
        return self._embed_files(image, box, _landmarks_of_box)

    def verify(self, image_a, image_b):
        _check_lengths(image_a, image_b)
        crops = tf.concat([image_a, image_b], 0)
        if symmetric(self.region):
            features = self._averaged(tf.concat([crops, tf.reverse(crops, [2])], 0))
        else:
            features = self._embed(crops)
        return self.score(*tf.split(features, 2))

    def score(self, embedding_a, embedding_b):
        _check_lengths(embedding_a, embedding_b)
        a, b = tf.cast(embedding_a, tf.float64), tf.cast(embedding_b, tf.float64)
        score = self._joint_bayesian(a, b) if self.parameters else _cosine(a, b)
        found = {"score": tf.cast(score, tf.float32)}
        if self.scoring is not None:
            calibration = self.scoring.calibration
            odds = calibration.slope * score + calibration.intercept
            found["probability"] = tf.cast(tf.sigmoid(odds), tf.float32)
        return found

    def _embed_files(self, contents, places, landmarks_of):
        """Features of faces at some places in image files, averaged with the mirrored faces'."""
        _check_lengths(contents, places)

        def crops(content, place):
            image = decode(content)
            size = tf.shape(image)[:2]
            small = tf.debugging.Assert(
                tf.reduce_all(size >= SMALLEST), [f"an image of less than {SMALLEST} pixels"]
            )
            with tf.control_dependencies([small]):
                landmarks = landmarks_of(place, size)
            return tf.stack(
                [
                    network_input(image, landmarks, self.region, mirrored=mirrored)
                    for mirrored in (False, True)
                ]
            )

        with tf.device("CPU:0"):
            # One after the other: in memory is one photograph of a request, not all.
            pairs = tf.map_fn(
                lambda both: crops(*both),
                (contents, places),
                parallel_iterations=1,
                fn_output_signature=tf.TensorSpec((2, *self.shape), tf.float32),
            )
        return {"embedding": self._averaged(tf.concat(tf.unstack(pairs, axis=1), 0))}

    def _averaged(self, crops):
        """Mean of the features of crops and of their mirrored ones, which stand behind them."""
        own, mirrored = tf.split(self._embed(crops), 2)
        return (own + mirrored) / 2

    def _joint_bayesian(self, a, b):
        """As `JointBayesian.score_pairs`."""
        variances = self.parameters["variances"]
        scale = tf.sqrt(variances / (1 + 2 * variances))
        constant = tf.reduce_sum(tf.math.log1p(variances) - tf.math.log1p(2 * variances) / 2)

        def transform(x):
            return (x - self.parameters["mean"]) @ (self.parameters["projection"] * scale)

        def offsets(t):
            return (constant - tf.linalg.matvec(tf.square(t), variances / (1 + variances))) / 2

        a, b = transform(a), transform(b)
        return tf.reduce_sum(a * b, 1) + offsets(a) + offsets(b)


def _traced(function, inputs):
    """A concrete function of inputs (name, shape of one, type)."""
    specs = [tf.TensorSpec((None, *shape), kind, name) for name, shape, kind in inputs]
    return tf.function(function, input_signature=specs, autograph=False).get_concrete_function()


def _cosine(a, b):
    """As `Cosine.score_pairs`."""
    lengths = tf.norm(a, axis=1) * tf.norm(b, axis=1)
    return tf.reduce_sum(a * b, 1) / tf.maximum(lengths, np.finfo(np.float32).tiny)


def _check_lengths(a, b):
    same = tf.shape(a)[0] == tf.shape(b)[0]
    tf.debugging.Assert(same, ["inputs with different numbers of faces"])


def _check_landmarks(landmarks, size):
    """Landmarks, if they can be those of a face in an image of that size."""
    last = tf.cast(size[::-1] - 1, tf.float32)
    near = (landmarks > -OUTSIDE * last) & (landmarks < (1 + OUTSIDE) * last)
    apart = tf.reduce_max(landmarks, 0) - tf.reduce_min(landmarks, 0) > 1
    known = tf.reduce_all(tf.math.is_finite(landmarks))
    checks = (
        (known, "landmarks that are no numbers: embed_jpeg_box takes a box in their place"),
        (tf.reduce_all(near) | ~known, "landmarks that are far outside their image"),
        (tf.reduce_any(apart) | ~known, "landmarks that are all in one point"),
    )
    with tf.control_dependencies(_assertions(checks)):
        return tf.identity(landmarks)


def _landmarks_of_box(box, size):
    """Landmarks that a face in a box is expected to have, if the box meets the image."""
    start, sides, size = box[:2], box[2:], tf.cast(size[::-1], tf.float32)
    known = tf.reduce_all(tf.math.is_finite(box))
    large, meets = tf.reduce_all(sides >= 1), tf.reduce_all((start < size) & (start + sides > 0))
    # Nothing of a face would be left of a much larger one.
    fits = tf.reduce_all(sides < 10 * tf.reduce_max(size)) & tf.reduce_all(tf.abs(box) < 1e6)
    checks = (
        (known, "a box that is no numbers: left, top, width and height in pixels"),
        (large | ~known, "a box of no size: left, top, width and height in pixels"),
        (fits | ~known, "a box that is much larger than its image"),
        (meets | ~known | ~large, "a box that does not meet its image"),
    )
    with tf.control_dependencies(_assertions(checks)):
        return box_landmarks(tf.identity(box))


def _assertions(checks):
    """Operations that fail with the reason of the first condition that does not hold.

    Args:
        checks: pairs of a condition, a boolean tensor, and what is wrong where it does not hold.
    """
    found = []
    for condition, reason in checks:
        with tf.control_dependencies(found):
            found = [*found, tf.debugging.Assert(condition, [reason])]
    return found
