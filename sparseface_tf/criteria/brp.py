"""Bayesian regularisation and pruning, with a Laplace prior (Williams, 1995; Sec. 5.4)."""

import dataclasses

import keras
import numpy as np
from absl import logging
from keras import ops

from pipelines.command_line import setting
from sparseface_tf.criteria.base import Criterion, kernel_of, mask_of, masked_layer
from sparseface_tf.criteria.ranking import largest
from sparseface_tf.sparsify.budgets import number_kept


@dataclasses.dataclass(frozen=True)
class BayesianPruning(Criterion):
    """L1-regularised re-training that zeroes small weights for good until the density is reached.

    "Weights are pruned iteratively under the L1 regularization, and each time weights with the
    smallest absolute values (less than 10% of the mean absolute value in our implementation) are
    set to zero permanently" (Sec. 5.4). What the paper leaves open: the weights are looked at
    `rounds` times, evenly over the first `share` of the re-training; the mean is that of the
    weights still there; once round(density · |W|) of them are left the regularisation ends with the
    pruning. If more are left after the last round, all but the largest go then, whatever their
    size: a longer re-training, or a higher `strength`, leaves fewer to that.

    The regularisation is Williams': α Σ |w|, α being the number of weights over Σ |w|, so that one
    strength suits layers of any scale. It pulls at each weight with the constant force
    strength / mean |w|. In his theory the strength is 1 over the number of training images, for
    which re-trainings of few passes are far too short.
    """

    name = "brp"
    blocks = False
    one_shot = False

    strength: float = setting(1e-5, "Of the L1 regularisation.")
    threshold: float = setting(0.1, "Weights under this share of the mean |w| are zeroed.")
    rounds: int = setting(100, "How often weights are zeroed, at most.")
    share: float = setting(0.5, "First part of the re-training, in which that happens.")

    def __post_init__(self):
        for key, good in (
            ("strength", self.strength >= 0),
            ("threshold", self.threshold > 0),
            ("rounds", self.rounds >= 1),
            ("share", 0 < self.share <= 1),
        ):
            if not good:
                raise ValueError(f"{key} of criterion 'brp' makes no sense: {getattr(self, key)}.")

    def scores(self, model, layer_name, batches=None, *, seed=0, progress=False):
        """|w|, of which the largest are kept at once: the end of the last round alone."""
        return np.abs(kernel_of(model.get_layer(layer_name)))

    def callback(self, layer, density, batches=None, *, done=None, steps=None, start=0, **options):
        self.check(options.get("block", 1))
        return BayesianPruningCallback(
            self, layer, density, done=done, steps=steps, start=start, seed=options.get("seed", 0)
        )


class BayesianPruningCallback(keras.callbacks.Callback):
    """Prunes a layer while `fit` runs. The mask is all the state there is.

    Args:
        criterion: a `BayesianPruning`.
        layer: name of the layer, one of sparseface_tf.layers.
        density: the fraction of its weights kept in the end, in (0, 1].
        done: function called with this callback when the layer has that many.
        steps: mini-batches of the training; default: those of this `fit`.
        start: number of the mini-batch at which training (re)starts.
        seed: integer; decides between equal weights.

    Attributes:
        forced: weights that were zeroed in the last round only to reach the density.
        mask: when done, the mask.
    """

    def __init__(self, criterion, layer, density, *, done=None, steps=None, start=0, seed=0):
        super().__init__()
        self.criterion, self.layer, self.density = criterion, layer, density
        self.done, self.steps, self.step, self.seed = done, steps, start, seed
        self.forced = 0
        self.mask = None

    def on_train_begin(self, logs=None):
        layer = masked_layer(self.model, self.layer, self.density)
        mask = mask_of(layer)
        self.kept = number_kept(self.density, mask.size)
        if self.steps is None:
            self.steps = self.params["epochs"] * self.params["steps"]
        # The last one comes before training ends, however short that is.
        self.last = max(1, round(self.criterion.share * self.steps))
        self.regularizer = layer.kernel.regularizer
        if np.count_nonzero(mask) > self.kept:
            layer.kernel.regularizer = _Laplace(self.criterion.strength, self.regularizer)
            # What Keras compiled before is without it.
            self.model.make_train_function(force=True)
        elif self.mask is None:
            self.mask = mask
            if self.done is not None and self.step == 0:
                self.done(self)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        rounds = self.criterion.rounds
        if self.mask is None and (
            self.step * rounds // self.last > (self.step - 1) * rounds // self.last
        ):
            self._prune()

    def on_train_end(self, logs=None):
        self._end()

    def _prune(self):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        layer = self.model.get_layer(self.layer)
        mask, size = mask_of(layer), np.abs(kernel_of(layer))
        # Also for a weight that has become NaN.
        size = np.where(mask, np.nan_to_num(size, nan=0.0), -1)
        limit = self.criterion.threshold * size[mask].mean(dtype=np.float64)
        wanted = max(int(np.count_nonzero(size >= limit)), self.kept)
        if self.step >= self.last:
            self.forced = int(wanted - self.kept)
            wanted = self.kept
        layer.assign_mask(largest(size, wanted, np.random.default_rng([self.seed, self.step])))
        if wanted == self.kept:
            self.mask = mask_of(layer)
            logging.info(
                "%s: the density is reached at mini-batch %d of %d; the last %d weights went for that only.",
                self.layer,
                self.step,
                self.steps,
                self.forced,
            )
            self._end()
            if self.done is not None:
                self.done(self)

    def _end(self):
        """Ends the regularisation, in what is compiled too."""
        kernel = self.model.get_layer(self.layer).kernel
        if isinstance(kernel.regularizer, _Laplace):
            kernel.regularizer = self.regularizer
            self.model.make_train_function(force=True)


class _Laplace(keras.regularizers.Regularizer):
    """Has the gradient of strength · α Σ |w|, and adds nothing to the loss.

    With α kept up to date the term is strength times the number of weights, whatever they are:
    thousands in a log that should be comparable with other criteria's.
    """

    def __init__(self, strength, inner=None):
        self.strength, self.inner = strength, inner

    def __call__(self, kernel):
        size = ops.abs(ops.convert_to_tensor(kernel))
        total = ops.sum(size)
        number = ops.sum(ops.cast(size > 0, size.dtype))
        alpha = ops.stop_gradient(number / ops.maximum(total, 1e-12))
        penalty = self.strength * alpha * (total - ops.stop_gradient(total))
        return penalty if self.inner is None else penalty + self.inner(kernel)
