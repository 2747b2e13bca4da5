"""What makes channels important in the order of their indices: where γ starts, and two penalties.

The scale γ of a channel's batch normalisation says how much of the channel is left for the layers
above. The poster lets it start at γ_k = 1 - (k - 1) / N, k = 1 … N, and adds to the loss

    λ_s Σ |γ_k|  +  λ_m Σ max(0, γ_{k+1} - γ_k)

over all channels k of all layers. The first term is that of network slimming (Liu et al., "Learning
Efficient Convolutional Networks through Network Slimming", ICCV 2017); the second is there where a
channel has become larger than the one before it.

The text of the poster that survives leaves two things open. Its sums stand in the middle of
repeated fragments, and a |γ_k| follows L_m in one of them: it is taken for a remainder of the first
sum, not for a factor, which would no longer be what the poster calls L_m. And L_m compares γ while
channels are pruned by |γ|: taken literally, so a γ that has become negative counts as small here and
may be large there. With γ from 1/N upwards at first and an L1 penalty that ends at 0 that is rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="sparseface_tf")
class DecreasingScales(keras.initializers.Initializer):
    """1, 1 - 1/N, …, 1/N: the γ that the poster starts from. For vectors (N,).

    Example:

    >>> DecreasingScales()((4,)).numpy().tolist()
    [1.0, 0.75, 0.5, 0.25]
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        if len(shape) != 1:
            raise ValueError(f"Decreasing scales are for vectors, one a channel, got {shape}.")
        (channels,) = shape
        # In float32 first: a type of fewer bits would count wrongly, not only round.
        scales = 1 - ops.arange(channels, dtype="float32") / channels
        return ops.cast(scales, dtype or keras.backend.floatx())

    def get_config(self) -> dict[str, Any]:
        return {}


@keras.saving.register_keras_serializable(package="sparseface_tf")
class ChannelPenalty(keras.regularizers.Regularizer):
    """λ_s Σ |γ_k| + λ_m Σ max(0, γ_{k+1} - γ_k), for vectors γ.

    Args:
        sparsity: λ_s, at least 0.
        monotonicity: λ_m, at least 0.

    Raises:
        ValueError: for a negative weight.
    """

    def __init__(self, sparsity: float = 0.0, monotonicity: float = 0.0):
        if not (sparsity >= 0 and monotonicity >= 0):
            raise ValueError(
                f"The weights of penalties must be >= 0, got {sparsity} and {monotonicity}."
            )
        self.sparsity, self.monotonicity = sparsity, monotonicity

    def __call__(self, scales: Any) -> Any:
        rises = ops.maximum(scales[1:] - scales[:-1], 0)
        return self.sparsity * ops.sum(ops.abs(scales)) + self.monotonicity * ops.sum(rises)

    def get_config(self) -> dict[str, Any]:
        return {"sparsity": self.sparsity, "monotonicity": self.monotonicity}
