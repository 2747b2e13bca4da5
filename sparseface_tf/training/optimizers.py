"""The optimizer of a stage, as the settings of a run say."""

import keras

from sparseface_tf.training.schedules import SmoothDecay


def stage_optimizer(experiment, number, steps):
    """The optimizer that a stage begins with, its learning rate a schedule.

    Args:
        experiment: `Experiment`.
        number: of the stage; 0 is the dense one.
        steps: its mini-batches.

    Returns:
        An unbuilt `keras.optimizers.Optimizer`.
    """
    peak, retrains = experiment.learning_rate, experiment.retrains(number)
    if retrains and experiment.retrain_learning_rate:
        peak = experiment.retrain_learning_rate
    if experiment.schedule == "smooth":
        finetune = experiment.retrain_finetune if retrains else experiment.finetune
        rate = SmoothDecay(
            peak,
            experiment.decay,
            experiment.decay_steps / (2 if retrains else 1),
            round(steps * (1 - finetune)),
        )
    else:
        warmup = round(experiment.warmup * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            peak / max(warmup, 1),
            max(steps - warmup, 1),
            alpha=0.01,
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    # Named, or Keras numbers the optimizers of a process and a resumed one counts otherwise.
    settings = dict(weight_decay=experiment.weight_decay, name=experiment.optimizer)
    if experiment.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, beta_1=experiment.beta_1, **settings)
    return keras.optimizers.SGD(rate, momentum=experiment.beta_1, **settings)
