"""Identification by cosines with a margin: ArcFace and CosFace in place of the softmax.

The classifier's answer is the cosine between a feature and a direction for each identity; the loss
takes a margin off the cosine of the right one, so that faces of an identity must come closer to its
direction than telling it from the others would need. With c the cosine of the right identity, c_j
those of the others, s the scale and m the margin, both are the cross-entropy

    -log( exp(s g(c)) / ( exp(s g(c)) + sum_j exp(s c_j) ) )

    ArcFace   g(c) = cos(arccos c + m)    Deng et al., "ArcFace: Additive Angular Margin Loss for
                                          Deep Face Recognition", CVPR 2019, eq. 3
    CosFace   g(c) = c - m                Wang et al., "CosFace: Large Margin Cosine Loss for Deep
                                          Face Recognition", CVPR 2018, eq. 4

Features after a ReLU are not negative: two of them are never more than 90 degrees apart, and at
first, when all point about the same way, much less. The directions of the identities may have any
sign, so cosines with them go from -1 to 1 and both formulas hold unchanged; and for more identities
than a few, 90 degrees apart is all that directions can be from one another anyway.

The margins are by default those published, 0.5 radians and 0.35. The scale published for both, 64,
is for long training on many more identities. The least scale at which C identities can be told with
the probability P, (C - 1) / C * log((C - 1) P / (1 - P)) (CosFace), is 12.7 for 340 of them
and P = 0.999, and 16.3 for 12,000: 16 is the default here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from sparseface_tf.supervision.margins import check_margin

# Below this norm a feature counts as zero: its cosines fade out there instead of its gradient
# growing without bound.
_SMALLEST_NORM = 1e-3


@keras.saving.register_keras_serializable(package="sparseface_tf")
class CosineClassifier(keras.layers.Layer):
    """Cosines between features and one direction for each identity. Always float32.

    `kernel`, (features, identities), holds the directions; their lengths do not matter. A softmax
    classifier may start from zero, so that all identities are equally likely and random logits
    teach the features nothing; a direction cannot be zero. Here all identities start by default
    from one and the same direction, the diagonal, which comes to the same: equal cosines, and a
    first gradient that moves each identity towards its own faces. With CosFace the features' first
    gradient is then zero, as with the softmax. ArcFace's is not: its margin shrinks with the angle,
    so all features are drawn towards that one direction and stay there. It has to start from
    directions drawn at random (docs/results/recipe.md).

    Args:
        identities: number of identities.
        kernel_initializer: initializer of the directions; None: all along the diagonal.

    Input shape: (batch, features).
    Output shape: (batch, identities), -1 … 1; 0 for a feature that is zero.
    """

    def __init__(self, identities: int, kernel_initializer: Any = None, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.identities = identities
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Sequence[Any]) -> None:
        features = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.identities),
            # Of length 1: an optimizer's steps turn a longer vector more slowly.
            initializer=self.kernel_initializer or keras.initializers.Constant(features**-0.5),
        )

    def call(self, features: Any) -> Any:
        return ops.matmul(_unit(features, axis=-1), _unit(self.kernel, axis=0))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        return (input_shape[0], self.identities)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "identities": self.identities,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _unit(x, axis):
    """Vectors brought to length 1; unlike `ops.normalize` with a gradient (0) at zero."""
    squared = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squared, _SMALLEST_NORM**2))


class _MarginSoftmax(keras.losses.Loss):
    """The cross-entropy above; `with_margin` of a subclass is g.

    `y_true`: identities, (batch,) or (batch, 1). `y_pred`: what a `CosineClassifier` puts out,
    (batch, identities), of any floating type; computed in float32.
    The result of `call` has one value an image, (batch,).
    """

    def __init__(self, margin: float, scale: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.margin, self.scale = margin, scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        cosines = ops.cast(y_pred, "float32")
        identities = ops.cast(ops.reshape(y_true, (-1, 1)), "int32")
        right = ops.equal(identities, ops.arange(cosines.shape[-1], dtype="int32"))
        # The right one alone goes through g, whose slope is steep where a cosine is near 1 or -1.
        own = ops.take_along_axis(cosines, identities, axis=1)
        logits = self.scale * ops.where(right, self.with_margin(own), cosines)
        return ops.sparse_categorical_crossentropy(identities[:, 0], logits, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}


@keras.saving.register_keras_serializable(package="sparseface_tf")
class ArcFace(_MarginSoftmax):
    """Additive angular margin: g(c) = cos(arccos c + m).

    Where arccos c + m would pass 180 degrees, and g begin to rise again, it is c - m sin m, as in
    the authors' program.

    Args:
        margin: m, in radians, in [0, pi / 2).
        scale: s, above 0.

    Raises:
        ValueError: for a margin or a scale outside of that.
    """

    def __init__(
        self, margin: float = 0.5, scale: float = 16.0, name: str = "arcface", **kwargs: Any
    ):
        check_margin("arcface", margin, scale)
        super().__init__(margin, scale, name=name, **kwargs)

    def with_margin(self, cosine: Any) -> Any:
        # The floor is reached where rounding has made the cosine 1 or more, and nowhere else; the
        # square root's slope would be infinite there.
        sine = ops.sqrt(ops.maximum((1 - cosine) * (1 + cosine), 1e-7))
        moved = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        below = cosine - self.margin * math.sin(self.margin)
        return ops.where(cosine > -math.cos(self.margin), moved, below)


@keras.saving.register_keras_serializable(package="sparseface_tf")
class CosFace(_MarginSoftmax):
    """Additive cosine margin: g(c) = c - m.

    Args:
        margin: m, in [0, 1].
        scale: s, above 0.

    Raises:
        ValueError: for a margin or a scale outside of that.
    """

    def __init__(
        self, margin: float = 0.35, scale: float = 16.0, name: str = "cosface", **kwargs: Any
    ):
        check_margin("cosface", margin, scale)
        super().__init__(margin, scale, name=name, **kwargs)

    def with_margin(self, cosine: Any) -> Any:
        return cosine - self.margin
