"""The signals that networks are trained by, one a module, and how they hang on a network."""

from sparseface_tf.supervision.centre_loss import CentreLoss, ClassCentres
from sparseface_tf.supervision.margin_softmax import ArcFace, CosFace, CosineClassifier
from sparseface_tf.supervision.signals import (
    IDENTIFICATION,
    identification_loss,
    signals,
    supervise,
    targets,
)
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
