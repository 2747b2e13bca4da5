"""The scorers that systems are tested with, learned where there is something to learn from."""

import os

import joblib
import numpy as np
from absl import logging

from pipelines.files import write_atomically
from sparseface_tf.evaluation.settings import SCORERS
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian


class Scorers:
    """Makes the scorers of an evaluation.

    Args:
        wanted: names in `SCORERS`; empty for all.
        components: principal components kept for Joint Bayesian; 0: no PCA.
        cache: `FeatureCache`, whose folder keeps what was learned, too.
        training: `Faces` that Joint Bayesian learns from, or None.
    """

    def __init__(self, wanted, components, cache, training):
        self._wanted = wanted or list(SCORERS)
        self._components, self._cache, self._training = components, cache, training

    def of(self, system, learns, width):
        """The scorers of a system on a protocol.

        Args:
            system: `System`.
            learns: whether a scorer may be learned from the protocol's own images.
            width: length of the system's features.

        Yields:
            (title, function that makes a scorer, whether it is learned).
        """
        if "cosine" in self._wanted:
            yield SCORERS["cosine"], Cosine, True
        if "joint_bayesian" in self._wanted:
            title = SCORERS["joint_bayesian"]
            if self._training is not None:
                scorer = self._learned(system)
                yield title, lambda: scorer, True
            elif learns:
                yield title, lambda: self._new(width), False

    def _new(self, width):
        """A `JointBayesian` for features of some length; PCA never asks for more than there is."""
        components = self._components if 0 < self._components < width else None
        return JointBayesian(components, random_state=0)

    def _learned(self, system):
        """`JointBayesian` of a system's features of the training faces, learned once."""
        source = self._training.source
        features = system.features(self._cache, self._training, np.arange(len(source)))
        scorer = self._new(features.shape[1])
        # Sorted parameters: the same key for the same scorer in every process.
        key = joblib.hash((features, source.labels, sorted(scorer.get_params().items())))
        path = os.path.join(self._cache.folder, f"joint_bayesian-{key}.npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return JointBayesian.from_arrays(arrays)
        except FileNotFoundError:
            pass
        except Exception as error:  # NumPy and zipfile raise all kinds
            logging.warning("%s is damaged and not used: %s", path, error)
        logging.info(
            "Learning Joint Bayesian of %s from %d images of %d identities.",
            system.name,
            *features.shape[:1],
            len(source.identities),
        )
        scorer.fit(features, source.labels)
        logging.info("%d iterations, converged: %s.", scorer.n_iter_, scorer.converged_)
        write_atomically(path, lambda file: np.savez(file, **scorer.to_arrays()))
        return scorer
