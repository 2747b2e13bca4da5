"""The verification signal of DeepID2 as a Keras loss; the identification signal is Keras' own
SparseCategoricalCrossentropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="sparseface_tf")
class VerificationLoss(keras.losses.Loss):
    """The verification signal over a batch of pairs.

    For a pair (i, j) at the distance d = ||f_i - f_j||: d²/2 if both show the same identity,
    max(0, m - d)²/2 otherwise (Sun et al., "Deep Learning Face Representation by Joint
    Identification-Verification", eq. 2).

    `y_true`: identities, (2 * pairs,) or (2 * pairs, 1); rows 2i and 2i + 1 are a pair.
    `y_pred`: what a `PairDistance` layer puts out, (pairs, 2): distance and margin.
    The result of `call` has one value a pair, (pairs,).
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        identities = ops.reshape(y_true, (-1, 2))
        same = ops.equal(identities[:, 0], identities[:, 1])
        distance, margin = y_pred[:, 0], y_pred[:, 1]
        apart = ops.square(ops.maximum(margin - distance, 0))
        return ops.where(same, ops.square(distance), apart) / 2


@keras.saving.register_keras_serializable(package="sparseface_tf")
class PairDistance(keras.layers.Layer):
    """Distances of the pairs in a batch of features, with the margin of the verification signal.

    The margin m is a weight that no gradient changes: it is saved with the model, and a
    callback may set it from the data (callbacks.MarginCallback). Always float32.

    Args:
        margin: initial value, >= 0.

    Input shape: (2 * pairs, features); rows 2i and 2i + 1 are a pair.
    Output shape: (pairs, 2): Euclidean distance and margin.

    Raises:
        ValueError: for a negative margin.
    """

    any_width = True  # for sparseface_tf.channels: takes features of any length

    def __init__(self, margin: float = 1.0, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        if margin < 0:
            raise ValueError(f"The margin of the verification signal must be >= 0, got {margin}.")
        self.initial_margin = margin

    def build(self, input_shape: Sequence[Any]) -> None:
        self.margin = self.add_weight(
            name="margin",
            shape=(),
            initializer=keras.initializers.Constant(self.initial_margin),
            trainable=False,
        )

    def call(self, features: Any) -> Any:
        pairs = ops.reshape(features, (-1, 2, features.shape[-1]))
        squared = ops.sum(ops.square(pairs[:, 0] - pairs[:, 1]), axis=-1)
        # The square root has no gradient at 0, where both features are equal (two dead ones).
        distance = ops.sqrt(ops.maximum(squared, 1e-12))
        return ops.stack([distance, ops.broadcast_to(self.margin, ops.shape(distance))], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        pairs = None if input_shape[0] is None else input_shape[0] // 2
        return (pairs, 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.initial_margin}
