"""The optimizer of a stage and its learning rates."""

import keras

from sparseface_tf.training.schedules import SmoothDecay


def learning_rates(schedule, peak, steps, *, warmup=0.0, decay=1.0, decay_steps=1.0, finetune=0.0):
    """The learning rates of a stage.

    Args:
        schedule: "cosine": a linear warm-up, then half a cosine down to 1 %. "smooth": the paper's
            slow exponential decay, then fine-tuning at a tenth (Sec. 5.1).
        peak: the highest rate.
        steps: mini-batches of the stage.
        warmup: share of the stage with a rising rate ("cosine").
        decay, decay_steps: factor of the rate over so many mini-batches ("smooth").
        finetune: last share of the stage at a tenth of the rate ("smooth").

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    if schedule == "smooth":
        return SmoothDecay(peak, decay, decay_steps, round(steps * (1 - finetune)))
    rising = round(warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / max(rising, 1),
        max(steps - rising, 1),
        alpha=0.01,
        warmup_target=peak if rising else None,
        warmup_steps=rising,
    )


def stage_optimizer(kind, learning_rate, *, beta_1=0.9, weight_decay=0.0):
    """The optimizer that a stage begins with.

    Args:
        kind: "adamw" or "sgd".
        learning_rate: a number or a schedule.
        beta_1: decay of the mean gradient ("adamw"), or the momentum ("sgd").
        weight_decay: of all weights, as the optimizers of Keras define it.

    Returns:
        An unbuilt `keras.optimizers.Optimizer`.
    """
    # Named, or Keras numbers the optimizers of a process and a resumed one counts otherwise.
    settings = dict(weight_decay=weight_decay, name=kind)
    if kind == "adamw":
        return keras.optimizers.AdamW(learning_rate, beta_1=beta_1, **settings)
    return keras.optimizers.SGD(learning_rate, momentum=beta_1, **settings)
