"""The dropping matrix as a Keras constraint."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class MaskConstraint(keras.constraints.Constraint):
    """Zeroes the dropped weights of a kernel after every optimizer update.

    Table 2 of the paper multiplies the layers by their dropping matrices before every forward
    pass. Doing it after the update instead gives the same sequence of weights, and neither the
    forward nor the backward pass pays for it: whatever momentum or weight decay wrote into a
    dropped weight is gone before anybody reads it.

    A masked layer makes its own constraint; there is no need to pass one.

    Args:
        mask: boolean variable or array of the kernel's shape, true where a weight is kept.
        inner: optional constraint that is applied first (a layer's `kernel_constraint`).
    """

    def __init__(self, mask: Any, inner: keras.constraints.Constraint | None = None):
        self.mask = mask
        self.inner = inner
        self._host_mask = None
        self.refresh()

    def refresh(self) -> None:
        """Takes note of a new value of the mask; `assign_mask` of a layer calls it.

        JAX's compiled update step sees only what is passed into it, and Keras passes no
        non-trainable variable into the optimizer. There the mask has to be a constant of the
        compiled step, so a step that was compiled before the mask changed must be compiled
        again (`model.make_train_function(force=True)`); CorrelationMaskCallback does so.
        """
        if keras.backend.backend() == "jax":
            self._host_mask = ops.convert_to_numpy(self.mask)

    def __call__(self, kernel: Any) -> Any:
        if self.inner is not None:
            kernel = self.inner(kernel)
        mask = self.mask if self._host_mask is None else self._host_mask
        kernel = ops.convert_to_tensor(kernel)
        # A selection, not a product: a dropped weight that became inf or NaN must be zero too.
        return ops.where(ops.convert_to_tensor(mask), kernel, ops.zeros((), kernel.dtype))
