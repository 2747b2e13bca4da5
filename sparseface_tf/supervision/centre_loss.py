"""The centre loss: features are drawn to the centre of their identity.

Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV
2016. For features x_i of identities y_i and centres c, and a mini-batch of m images,

    L = ½ Σ_i ||x_i - c_{y_i}||²                                                     (eq. 2)

No gradient reaches the centres; after each mini-batch every identity in it moves its own by

    c_j ← c_j - α Σ_{y_i = j} (c_j - x_i) / (1 + number of images of j)              (eq. 4)

The 1 is the publication's: of one image the centre goes half the way. Keras takes the mean over a
mini-batch, of this loss as of the softmax; the publication takes the sum of both, so the weight
between them is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from sparseface_tf.replicas import check_one_replica


@keras.saving.register_keras_serializable(package="sparseface_tf")
class ClassCentres(keras.layers.Layer):
    """Holds a centre for each identity, and gives features on to `CentreLoss`. Always float32.

    `centres`, (identities, features), is a weight that no gradient changes; it begins with zeros.

    Args:
        identities: number of identities.
        rate: α of eq. 4, in [0, 1].

    Input shape: (batch, features).
    Output shape: (batch, features + 1): the features, and α in training, else 0.

    Raises:
        ValueError: if the rate is out of range, or it is built on several replicas.
    """

    any_width = True  # for sparseface_tf.channels: takes features of any length

    def __init__(self, identities: int, rate: float = 0.5, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not 0 <= rate <= 1:
            raise ValueError(f"The rate of the centres must be in [0, 1], got {rate}.")
        self.identities, self.rate = identities, rate

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.centres = self.add_weight(
            name="centres",
            shape=(self.identities, input_shape[-1]),
            initializer="zeros",
            trainable=False,
        )
        check_one_replica(self.centres, "The centre loss")

    def call(self, features: Any, training: bool = False) -> Any:
        rate = ops.full_like(features[:, :1], self.rate if training else 0.0)
        return ops.concatenate([features, rate], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        return (input_shape[0], input_shape[-1] + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "identities": self.identities, "rate": self.rate}


class CentreLoss(keras.losses.Loss):
    """The centre loss; it moves the centres too, whenever it is computed in training.

    `y_true`: identities, (batch,) or (batch, 1). `y_pred`: what the layer put out.
    The result of `call` has one value an image, (batch,).

    Args:
        layer: the `ClassCentres` of the model that is trained. It is no part of the configuration:
            a model that was compiled with this loss is loaded with compile=False.
    """

    def __init__(self, layer: ClassCentres, name: str = "centre_loss", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.layer = layer

    def call(self, y_true: Any, y_pred: Any) -> Any:
        identities = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        features, rate = y_pred[:, :-1], ops.stop_gradient(y_pred[0, -1])
        centres = ops.convert_to_tensor(self.layer.centres)
        away = features - ops.stop_gradient(ops.take(centres, identities, axis=0))
        moves = ops.segment_sum(ops.stop_gradient(away), identities, self.layer.identities)
        ones = ops.ones_like(identities, dtype="float32")
        images = ops.segment_sum(ones, identities, self.layer.identities)
        self.layer.centres.assign(centres + rate * moves / (1 + images)[:, None])
        return ops.sum(ops.square(away), axis=-1) / 2
