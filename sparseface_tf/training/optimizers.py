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


def stage_optimizer(kind, learning_rate, model, *, beta_1=0.9, weight_decay=0.0):
    """The optimizer that a stage begins with; weight decay reaches kernels only.

    Biases and the scales and offsets of normalisations do not decay: decay of γ would add to the
    poster's penalty λ_s on it.

    - "adamw": decoupled, as in Loshchilov and Hutter, "Decoupled Weight Decay Regularization": after
      each mini-batch w ← w - rate · weight_decay · w.
    - "sgd": Caffe's, which networks were trained with when the paper was written: the gradient of
      ½ weight_decay ‖w‖² is part of the gradient, and so of the momentum. The model's kernels are
      given that term as their regulariser, so it is part of the loss that is reported too.

    Args:
        kind: "adamw" or "sgd".
        learning_rate: a number or a schedule.
        model: the model that is to be trained.
        beta_1: decay of the mean gradient ("adamw"), or the momentum ("sgd").
        weight_decay: >= 0.

    Returns:
        An unbuilt `keras.optimizers.Optimizer`.
    """
    # Named, or Keras numbers the optimizers of a process and a resumed one counts otherwise.
    if kind == "sgd":
        for kernel in filter(_is_kernel, model.trainable_variables):
            kernel.regularizer = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
        return keras.optimizers.SGD(learning_rate, momentum=beta_1, name=kind)
    optimizer = keras.optimizers.AdamW(
        learning_rate, beta_1=beta_1, weight_decay=weight_decay, name=kind
    )
    others = [variable for variable in model.trainable_variables if not _is_kernel(variable)]
    optimizer.exclude_from_weight_decay(var_list=others)
    return optimizer


def _is_kernel(variable):
    return variable.name.endswith("kernel")
