"""`training.callbacks` under the path that others rely on."""

from sparseface_tf.training.callbacks import CorrelationMaskCallback

__all__ = ["CorrelationMaskCallback"]
