"""Learning rates of a stage."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="sparseface_tf")
class SmoothDecay(keras.optimizers.schedules.LearningRateSchedule):
    """The paper's schedule (Sec. 5): a slow smooth decay, then fine-tuning at a tenth.

    The rate at mini-batch t is initial * decay ** (t / decay_steps), and a tenth of that from
    `finetune_from` on. The paper's baseline goes from 0.01 to about 0.0067 in 140,000
    mini-batches (decay 0.67 in 140,000), then 10,000 more at a tenth; its re-trainings start at
    0.01 again "with a doubled decreasing rate" (decay 0.67 in 70,000).

    Args:
        initial: learning rate at the start.
        decay: factor by which the rate has fallen after `decay_steps` mini-batches, in (0, 1].
        decay_steps: number of mini-batches.
        finetune_from: number of the mini-batch at which fine-tuning begins.
    """

    def __init__(self, initial, decay, decay_steps, finetune_from):
        self.initial = initial
        self.decay = decay
        self.decay_steps = decay_steps
        self.finetune_from = finetune_from

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = self.initial * ops.power(self.decay, step / self.decay_steps)
        return ops.where(step >= self.finetune_from, 0.1 * rate, rate)

    def get_config(self):
        return {
            "initial": self.initial,
            "decay": self.decay,
            "decay_steps": self.decay_steps,
            "finetune_from": self.finetune_from,
        }
