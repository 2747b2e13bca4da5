"""The settings of a run in groups, each with its checks beside its fields."""

from sparseface_tf.training.settings.augmentation import Augmentation
from sparseface_tf.training.settings.channels import Channels
from sparseface_tf.training.settings.data import Data
from sparseface_tf.training.settings.network import Network
from sparseface_tf.training.settings.run import Run
from sparseface_tf.training.settings.schedule import Schedule
from sparseface_tf.training.settings.sparsity import Sparsity
from sparseface_tf.training.settings.supervision import Supervision

__all__ = [
    "Augmentation",
    "Channels",
    "Data",
    "Network",
    "Run",
    "Schedule",
    "Sparsity",
    "Supervision",
]
