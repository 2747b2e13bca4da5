"""The learning algorithm of Table 2: settings, stages, and what a run leaves.

`Stages(Experiment.of(steps=1000, sparsify=["1/256-f"], retrain_steps=500))` is one run.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.training.experiment import Experiment
    from sparseface_tf.training.stages import Stages

__all__ = ["Experiment", "Stages"]

__getattr__, __dir__ = handed_on(__name__, __file__)
