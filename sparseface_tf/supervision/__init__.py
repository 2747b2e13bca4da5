"""The signals that networks are trained by, one a module, and how they hang on a network."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.supervision.centre_loss import CentreLoss, ClassCentres
    from sparseface_tf.supervision.margin_softmax import ArcFace, CosFace, CosineClassifier
    from sparseface_tf.supervision.margins import IDENTIFICATION
    from sparseface_tf.supervision.signals import identification_loss, signals, supervise, targets
    from sparseface_tf.supervision.verification import PairDistance, VerificationLoss

__all__ = [
    "ArcFace",
    "CentreLoss",
    "ClassCentres",
    "CosFace",
    "CosineClassifier",
    "IDENTIFICATION",
    "PairDistance",
    "VerificationLoss",
    "identification_loss",
    "signals",
    "supervise",
    "targets",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
