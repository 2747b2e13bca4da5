"""Chance."""

import dataclasses

import numpy as np

from sparseface_tf.criteria.base import Criterion


@dataclasses.dataclass(frozen=True)
class Random(Criterion):
    """Any weights of the layer, all with the same probability.

    The paper's "random" (suffix r) is not quite that: `correlation,lam=0.5` draws for every
    neuron apart, and equally many from the halves of strong and of weak correlations.
    """

    name = "random"

    def scores(self, model, layer_name, batches=None, *, seed=0, progress=False):
        shape = tuple(model.get_layer(layer_name).kernel.shape)
        return np.random.default_rng([seed, 1]).random(shape, np.float32)
