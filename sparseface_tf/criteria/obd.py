"""Optimal Brain Damage (LeCun, Denker and Solla, 1990)."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from pipelines.command_line import setting
from sparseface_tf.criteria.base import Criterion, kernel_of
from sparseface_tf.criteria.curvature import loss_roots
from sparseface_tf.criteria.gradients import before_activation, images_at_once, squared_gradients
from sparseface_tf.criteria.images import labelled_batches_of
from sparseface_tf.sparsify import layer_geometry
from sparseface_tf.uses import tensors_of


@dataclasses.dataclass(frozen=True)
class OptimalBrainDamage(Criterion):
    """The largest saliencies h_kk w_k² / 2 of the layer, h_kk from the Gauss–Newton matrix.

    h is the diagonal of the Hessian of the loss that the network is trained with, identification
    and verification on f and on the branches, on training images without dropout. Held-out people
    have no class and so no loss: these are training images with their identities.

    LeCun et al. find the diagonal by one backward recursion, which takes the Hessian in the
    outputs of every layer for diagonal: what two of its neurons do together is lost, once a
    layer. The diagonal of the Gauss–Newton matrix is taken here instead. In a network of ReLUs
    and maxima everything above a layer is linear in that layer's weights, piece by piece, so that
    on the diagonal of one layer Gauss–Newton is the exact Hessian of the softmax and of the
    verification signal of pairs of one identity; curvature.py says what it leaves out for others.
    It costs no more: one backward pass with random signs has it as its expectation, and squares
    for each pair of images, the smallest part of the batch that has a loss of its own, keep the
    chance in it small.
    """

    name = "obd"
    images = "training"
    backends = ("tensorflow",)

    draws: int = setting(1, "Backward passes with random signs; more make less noise.")

    def __post_init__(self):
        if self.draws < 1:
            raise ValueError(f"draws of criterion 'obd' must be at least 1, got {self.draws}.")

    def scores(self, model, layer_name, batches, *, seed=0, progress=False):
        h = hessian_diagonal(
            model, layer_name, batches, draws=self.draws, seed=seed, progress=progress
        )
        return h * np.square(kernel_of(model.get_layer(layer_name))) / 2


def hessian_diagonal(model, layer_name, batches, *, draws=1, seed=0, signs=None, progress=False):
    """Diagonal of the Gauss–Newton matrix of the mean loss in the weights of one layer.

    Args:
        model: functional model, compiled with its losses (see `loss_roots`).
        layer_name: name of a Dense, Conv2D or MaskedLocallyConnected2D layer of it.
        batches: iterable of batches (images, targets) that it is fitted with; images whose
            verification loss is joint, rows 2i and 2i + 1, must be in one batch.
        draws: backward passes for each batch.
        seed: integer.
        signs: function (shape, number of the loss, draw, seed) -> ε of `curvature`, float32;
            default: random signs. `seed` is an int32 tensor (2,) that differs for each batch.
        progress: whether to show a progress bar.

    Returns:
        float32 array of the kernel's shape, not negative. A dropped weight has its value too.

    Raises:
        ValueError: for losses of an unknown curvature, a model that is not compiled, batches
            without targets or without images.
    """
    geometry, roots = layer_geometry(model.get_layer(layer_name), model), loss_roots(model)
    total = tf.Variable(tf.zeros(geometry.kernel_shape))
    add = _adder(model, model.get_layer(layer_name), geometry, roots, draws, signs or _random)
    size, count, piece = images_at_once(geometry), 0, 0
    for images, targets in labelled_batches_of(batches, progress and f"obd {layer_name}"):
        targets = _by_output(targets, roots)
        images = tf.convert_to_tensor(images, tf.float32)
        for start in range(0, len(images), size):
            at = slice(start, start + size)
            part = [tf.convert_to_tensor(target)[at] for target in targets]
            add(images[at], part, tf.constant([seed, piece], tf.int32), total)
            piece += 1
        count += len(images)
    if not count:
        raise ValueError("the diagonal of the Hessian needs images, got none.")
    return total.numpy() / (count * draws)


def _adder(model, layer, geometry, roots, draws, signs):
    """Function that adds the squared gradients of a piece of a batch to a variable."""
    seen, _ = tensors_of(model, layer)
    submodel = keras.Model(model.inputs, [seen, *(root.tensor for root in roots)])
    margins = [model.get_layer(root.output).margin if root.of_pairs else 0.0 for root in roots]
    group = 2 if any(root.of_pairs for root in roots) else 1

    # Unlike Keras' own functions without XLA, whose convolutions on a CPU are several times slower.
    @tf.function(reduce_retracing=True)
    def add(images, targets, seed, total):
        with tf.GradientTape(persistent=True) as tape, before_activation(layer) as seen:
            inputs, *tensors = submodel(images, training=False)
            (outputs,) = seen
            products = [
                tf.add_n(
                    [
                        root.product(
                            tensor, target, margin, lambda s: signs(s, number, draw, seed)
                        )
                        for number, (root, tensor, target, margin) in enumerate(
                            zip(roots, tensors, targets, margins)
                        )
                    ]
                )
                for draw in range(draws)
            ]
        for product in products:
            deltas = tape.gradient(product, outputs)
            if deltas is not None:
                total.assign_add(squared_gradients(geometry, inputs, deltas, group))

    return add


def _by_output(targets, roots):
    """The targets of each loss, in order."""
    if isinstance(targets, dict):
        return [targets[root.output] for root in roots]
    return [targets for _ in roots]


def _random(shape, number, draw, seed):
    """Random signs, another sequence for each loss, draw and piece."""
    key = seed + tf.constant([0x10000 * number, 0x1000000 * draw], tf.int32)
    bits = tf.random.stateless_uniform(shape, key, 0, 2, tf.int32, alg="philox")
    return tf.cast(2 * bits - 1, tf.float32)
