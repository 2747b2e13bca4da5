"""First-order Taylor expansion of the loss (beyond the paper)."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sparseface_tf.criteria.base import Criterion, kernel_of
from sparseface_tf.criteria.images import labelled_batches_of


@dataclasses.dataclass(frozen=True)
class Taylor(Criterion):
    """The largest |g · w| of the layer: by how much the loss changes, in the first order, without w.

    After Molchanov et al., "Importance Estimation for Neural Network Pruning" (2019), g is the
    gradient of a mini-batch, and |g · w| is averaged over mini-batches: the gradient over all
    images is near zero where training has ended, and says nothing. The loss is the one that the
    network is trained with, so these are training images with their identities: held-out people
    have no class. Weight decay is no part of it: where training has ended it balances the gradient
    of the data, and the sum of both would be near zero.
    """

    name = "taylor"
    images = "training"
    backends = ("tensorflow",)

    def scores(self, model, layer_name, batches, *, seed=0, progress=False):
        if not model.compiled or getattr(model, "loss", None) is None:
            raise ValueError("this criterion needs the loss: compile the model as it is trained.")
        layer = model.get_layer(layer_name)
        total = tf.Variable(tf.zeros(layer.kernel.shape))

        @tf.function(reduce_retracing=True)
        def add(images, targets):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(layer.kernel.value)
                outputs = model(images, training=False)
                loss = model.compute_loss(images, targets, outputs, training=False)
            gradient = tape.gradient(loss, layer.kernel.value)
            total.assign_add(tf.abs(tf.cast(gradient, tf.float32)))

        count = 0
        decay, layer.kernel.regularizer = layer.kernel.regularizer, None
        try:
            for images, targets in labelled_batches_of(batches, progress and f"taylor {layer_name}"):
                add(tf.convert_to_tensor(images, tf.float32), keras.tree.map_structure(
                    tf.convert_to_tensor, targets
                ))
                count += 1
        finally:
            layer.kernel.regularizer = decay
        if not count:
            raise ValueError("the gradient needs images, got none.")
        return total.numpy() / count * np.abs(kernel_of(layer))
