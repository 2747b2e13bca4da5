"""Weight magnitude, as the paper compares with it (Sec. 5.4)."""

import dataclasses

import numpy as np

from sparseface_tf.criteria.base import Criterion, kernel_of, mask_of
from sparseface_tf.criteria.ranking import blocks_of, largest
from sparseface_tf.sparsify.budgets import check_enough, number_kept


@dataclasses.dataclass(frozen=True)
class Magnitude(Criterion):
    """The largest weights of each sign: density · |W⁺| positive, density · |W⁻| negative ones.

    |W⁺| and |W⁻| are the numbers of positive and negative weights. A fraction is rounded so that
    round(density · |W|) are kept in all. A block has the sign of its sum and the mean of its |w|.
    Weights that are zero without having been dropped come last.
    """

    name = "magnitude"

    def scores(self, model, layer_name, batches=None, *, seed=0, progress=False):
        """The weights themselves, signs included."""
        return kernel_of(model.get_layer(layer_name))

    def select(self, scores, layer, density, *, block=1, seed=0):
        rng = np.random.default_rng(seed)
        kept = number_kept(density, scores.size, block)
        # Weights of a broken model: NaN ranks with zero.
        scores = np.nan_to_num(scores, nan=0.0, posinf=1e30, neginf=-1e30)
        weights = blocks_of(scores, block)
        negative = weights.sum(axis=-2) < 0
        size = np.abs(weights).mean(axis=-2)
        allowed = mask_of(layer)
        if allowed is None:
            allowed = np.ones(scores.shape, bool)
        allowed = blocks_of(allowed, block).all(axis=-2)
        check_enough(np.count_nonzero(allowed), kept, block)
        groups = [allowed & (size > 0) & ~negative, allowed & (size > 0) & negative]
        numbers = [np.count_nonzero(group) for group in groups]
        live = min(kept, sum(numbers))
        positive = round(live * numbers[0] / max(sum(numbers), 1))
        groups.append(allowed & (size == 0))
        mask = np.zeros(size.shape, bool)
        for group, share in zip(groups, (positive, live - positive, kept - live)):
            mask |= largest(np.where(group, size, -1), share, rng)
        return np.repeat(mask, block, axis=-2)
