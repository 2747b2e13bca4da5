"""The child process of child.py, in which tf_keras rules: kernels in, masks out.

    python worker.py FOLDER

reads kernels.npz (arrays "0", "1", …: float32, 2-D of dense or 4-D of convolutional twins) and
twins.json (a list of the arguments of `twin`, one for each kernel), prints a line "KEPT SIZE" for
each when it is done, and writes masks.npz (boolean, the kernels' names and shapes) at the end.
"""

import json
import os
import sys

import numpy as np


def twin(shape, target_sparsity=0.5, sparsity_m_by_n=None, **blocks):
    """A tf_keras model of one layer that tfmot prunes at its first step of training.

    Args:
        shape: shape of the kernel, (inputs, units) or (kh, kw, inputs, filters).
        target_sparsity: the share of the weights that becomes ZERO, as tfmot counts.
        sparsity_m_by_n: (m, n) for m zeros of every n; the target is of no consequence then.
        **blocks: block_size and block_pooling_type of `prune_low_magnitude`.

    Returns:
        The model, compiled, and its pruned layer.
    """
    # Late, as they print what they like: main has sent that to standard error by now.
    import tensorflow_model_optimization as tfmot  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    if len(shape) == 2:
        layer = tf_keras.layers.Dense(shape[-1], use_bias=False)
    else:
        layer = tf_keras.layers.Conv2D(shape[-1], shape[:2], use_bias=False)
    # One window's worth of input: the mask depends on the kernel alone.
    pruned = tfmot.sparsity.keras.prune_low_magnitude(
        layer,
        pruning_schedule=tfmot.sparsity.keras.ConstantSparsity(target_sparsity, 0, frequency=1),
        sparsity_m_by_n=sparsity_m_by_n,
        **blocks,
    )
    model = tf_keras.Sequential([tf_keras.Input(shape[:-1]), pruned])
    model.compile(tf_keras.optimizers.SGD(0.0), "mse")
    return model, pruned


def prune(model, pruned, kernel):
    """The mask that tfmot gives a kernel: a boolean array of its shape."""
    import tensorflow_model_optimization as tfmot  # noqa: PLC0415, as in `twin`

    (_, mask, _), = pruned.pruning_vars
    pruned.layer.set_weights([kernel])
    # As new, whatever kernel the twin has had before.
    mask.assign(np.ones(kernel.shape))
    pruned.pruning_step.assign(-1)
    # tfmot's way for loops of one's own; `fit` prepares data for longer than this takes.
    step = tfmot.sparsity.keras.UpdatePruningStep()
    step.set_model(model)
    step.on_train_begin()
    model.train_on_batch(
        np.zeros((1, *model.input_shape[1:])), np.zeros((1, *model.output_shape[1:]))
    )
    return mask.numpy() != 0


def main(folder):
    # Only the lines for the caller go to standard output, whatever the libraries print.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with open(os.path.join(folder, "twins.json"), encoding="utf-8") as file:
        settings = json.load(file)
    # Building a twin takes longer than using it, and many networks repeat their shapes.
    twins, masks = {}, {}
    with np.load(os.path.join(folder, "kernels.npz"), allow_pickle=False) as kernels:
        for i, arguments in enumerate(settings):
            kernel = kernels[str(i)]
            key = kernel.shape, json.dumps(arguments)
            if key not in twins:
                twins[key] = twin(kernel.shape, **arguments)
            mask = masks[str(i)] = prune(*twins[key], kernel)
            print(np.count_nonzero(mask), mask.size, file=channel, flush=True)
    np.savez(os.path.join(folder, "masks.npz"), **masks)


if __name__ == "__main__":
    main(*sys.argv[1:])
