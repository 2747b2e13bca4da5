"""The learning algorithm of Table 2: settings, stages, and what a run leaves.

`Stages(Experiment.of(steps=1000, sparsify=["1/256-f"], retrain_steps=500))` is one run.
"""

from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.stages import Stages

__all__ = ["Experiment", "Stages"]
