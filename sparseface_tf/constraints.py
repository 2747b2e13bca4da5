"""The dropping matrix as a Keras constraint."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.global_state import get_global_attribute


class MaskVariable(keras.Variable):
    """The dropping matrix of a layer: a boolean variable, all true at first.

    JAX's compiled update step sees only what is passed into it, and Keras passes no non-trainable
    variable into the optimizer. There the mask is a constant of the compiled step, and whatever
    gives this variable another value, `assign_mask`, `set_weights` or a file, has JAX compile its
    functions anew.

    Args:
        shape: tuple, the kernel's.
        name: string.
    """

    def __init__(self, shape: tuple[int, ...], name: str = "mask"):
        super().__init__("ones", shape, "bool", trainable=False, name=name)
        self._host = np.ones(shape, bool)
        self._compiled = False

    def assign(self, value: Any) -> Any:
        """Gives it another value, booleans of its shape."""
        value = super().assign(value)
        if keras.backend.backend() == "jax":
            self._note(value)
        return value

    def in_update(self) -> Any:
        """The mask as an optimizer's update sees it: on JAX a constant, elsewhere this variable."""
        if keras.backend.backend() != "jax":
            return self
        self._compiled = True
        return self._host

    def _note(self, value):
        # Keras chooses the backend; without JAX there is nothing to import.
        import jax  # noqa: PLC0415

        if isinstance(value, jax.core.Tracer):
            return
        host = np.asarray(value)
        if np.array_equal(host, self._host):
            return
        self._host = np.array(host)
        if self._compiled:
            self._compiled = False
            jax.clear_caches()


class MaskConstraint(keras.constraints.Constraint):
    """Zeroes the dropped weights of a kernel after every optimizer update.

    Table 2 of the paper multiplies the layers by their dropping matrices before every forward
    pass. Doing it after the update instead gives the same sequence of weights, and neither the
    forward nor the backward pass pays for it: whatever momentum or weight decay wrote into a
    dropped weight is gone before anybody reads it. An optimizer's moving average of the weights
    (`use_ema`) is masked too, as it takes their place when training ends.

    A masked layer makes its own constraint; there is no need to pass one.

    Args:
        mask: boolean variable or array of the kernel's shape, true where a weight is kept.
        inner: optional constraint that is applied first (a layer's `kernel_constraint`).
    """

    def __init__(self, mask: Any, inner: keras.constraints.Constraint | None = None):
        self.mask = mask
        self.inner = inner

    def __call__(self, kernel: Any) -> Any:
        average = _moving_average(kernel)
        if average is not None:
            average.assign(self._masked(average))
        if self.inner is not None:
            kernel = self.inner(kernel)
        return self._masked(kernel)

    def _masked(self, kernel):
        mask = self.mask.in_update() if isinstance(self.mask, MaskVariable) else self.mask
        kernel = ops.convert_to_tensor(kernel)
        # A selection, not a product: a dropped weight that became inf or NaN must be zero too.
        return ops.where(ops.convert_to_tensor(mask), kernel, ops.zeros((), kernel.dtype))


def _moving_average(kernel):
    """The variable in which the optimizer that is updating a kernel averages it, or None.

    Keras tells a constraint nothing of the optimizer that calls it, and no constraint holds for its
    averages; but it calls within the optimizer's name scope.
    """
    scopes = get_global_attribute("name_scope_stack") or [None]
    optimizer = getattr(scopes[-1], "caller", None)
    if not getattr(optimizer, "use_ema", False):
        return None
    pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average)
    return next((average for variable, average in pairs if variable is kernel), None)
