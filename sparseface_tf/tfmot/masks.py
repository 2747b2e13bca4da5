"""Masks of tensorflow-model-optimization ("tfmot") for models of Keras 3.

tfmot prunes tf_keras (Keras 2) models only and refuses those of Keras 3. Its masks depend on the
kernels alone, though. So each kernel is handed to a twin, a tf_keras layer with the same weights;
tfmot's own `prune_low_magnitude` prunes it in one training step of learning rate 0, and the mask
is brought back in the shape of the kernel:

* `magnitude_mask` and `magnitude_masks`: `ConstantSparsity`, the weights of greatest magnitude;
* `two_by_four_mask` and `two_by_four_masks`: `sparsity_m_by_n=(2, 4)`, two of every four.

Any built model will do, with the layers of `sparseface_tf.layers` or with Keras' own. The twins:

| layer                                              | twin                                    |
|----------------------------------------------------|-----------------------------------------|
| Dense, MaskedDense (inputs, units)                 | Dense                                   |
| Conv2D, MaskedConv2D (kh, kw, inputs, filters)     | Conv2D                                  |
| MaskedLocallyConnected2D (oh, ow, kh, kw, inputs,  | Dense (kh * kw * inputs, oh * ow *      |
| filters)                                           | filters), the positions side by side    |

**Which share is meant.** What tfmot calls sparsity is the share of the weights that become ZERO.
Here, as in the paper and in the whole of sparseface_tf, S is the share that is KEPT. To tell them
apart these functions call it `kept`: `ConstantSparsity(0.9, …)` is `kept=0.1`.

Importing tfmot sets TF_USE_LEGACY_KERAS for the whole process, after which `tf.keras` is another
Keras. Therefore it is imported in a child process only; the process that calls these functions
keeps its environment and its Keras, of whatever backend.

Example, a model of Keras' own layers that is trained sparse from here on:

>>> masks = magnitude_masks(model, kept=0.1)
>>> for name, mask in masks.items():
...     kernel = model.get_layer(name).kernel
...     kernel.assign(np.where(mask, kernel, 0))
...     kernel.constraint = MaskConstraint(mask, inner=kernel.constraint)
>>> model.compile("adam", "mse")
>>> model.fit(x, y)

The constraint belongs to the variable and is not saved with the model: a model that is loaded has
the zeros, but has to be given its constraints again before it is trained on. The layers of
`sparseface_tf.layers` have masks that are saved: `layer.assign_mask(masks[layer.name])`.
"""

import collections
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import keras
import numpy as np
from absl import logging
from tqdm import tqdm

from sparseface_tf.sparsify.geometry import layer_kind

_INSTALL = "pip install tensorflow-model-optimization tf_keras setuptools"


def magnitude_mask(
    model, layer_name, *, kept, block_size=(1, 1), block_pooling="AVG", progress=True
):
    """`magnitude_masks` of one layer: a boolean array of the kernel's shape."""
    return magnitude_masks(
        model,
        kept=kept,
        layer_names=[layer_name],
        block_size=block_size,
        block_pooling=block_pooling,
        progress=progress,
    )[layer_name]


def magnitude_masks(
    model, *, kept, layer_names=None, block_size=(1, 1), block_pooling="AVG", progress=True
):
    """The masks of tfmot's `ConstantSparsity`: the weights of greatest |w| of each layer.

    A layer has one threshold, the k-th greatest |w| of the whole kernel, all positions of a
    locally connected one included, with k = max(1, round(size * kept)) computed in float32, half
    to even (`sample_mask` rounds in double precision). **All weights that equal the threshold
    are kept**, so that there can be more than k: most of all in a layer that has been pruned
    before, where the threshold is 0, and with it the whole mask is true, as soon as k is more
    than the weights left. What is really kept is reported as below and is `mask.sum()`.

    With blocks k counts blocks: a block's magnitude is the mean or the greatest |w| in it.

    Starting the child process and importing tfmot in it takes some ten seconds, so ask for all
    layers at once: for the eleven of Table 1 it all took 22 to 35 seconds on two busy cores.

    Args:
        model: a built Keras 3 model, or one built layer. Names are those of a model's own layers;
            ask a model that is a layer of it separately,
            `magnitude_masks(model.get_layer("backbone"), …)`.
        kept: the share of the weights that is kept, in (0, 1], 1 - tfmot's sparsity: a number,
            or a dict of one for each layer name.
        layer_names: the layers; None for those that `kept` names if it is a dict, and otherwise
            for all Dense, Conv2D and MaskedLocallyConnected2D layers.
        block_size: (height, width) of the blocks that are kept or dropped whole: along the
            inputs (of a locally connected layer: its window, flattened to kh * kw * inputs) and
            along the units or filters; (4, 1) are runs of four inputs, as `sample_mask` has them
            with block=4. Not for convolutions, as in tfmot.
        block_pooling: "AVG" or "MAX".
        progress: whether to show a bar, and of each layer how many weights are kept.

    Returns:
        dict of layer names to boolean arrays of the kernels' shapes, true where a weight is
        kept. Kernels of other types are compared as float32.

    Raises:
        ValueError: if tfmot is not installed, for layers that are unknown, not built or of
            another kind, for weights that are not finite, and for shares and blocks outside of
            the above.
        ChildProcessError: if tfmot fails.

    Example:

    >>> magnitude_masks(baseline_network(), kept={"f": 1 / 256})["f"].sum()
    3072
    """
    if layer_names is None and isinstance(kept, dict):
        layer_names = list(kept)
    if block_pooling not in ("AVG", "MAX"):
        raise ValueError(f"block_pooling must be 'AVG' or 'MAX', got {block_pooling!r}")
    block_size = tuple(int(n) for n in block_size)
    if len(block_size) != 2 or min(block_size) < 1:
        raise ValueError(f"block_size must be two positive integers, got {block_size}")
    layers = _layers(model, layer_names)
    twins = {}
    for name, layer in layers.items():
        share = kept.get(name) if isinstance(kept, dict) else kept
        if share is None:
            raise ValueError(f"kept has no share for layer '{name}'")
        if not 0 < share <= 1:
            raise ValueError(
                f"kept, the share of the weights of layer '{name}' that stay (1 - tfmot's "
                f"sparsity), must lie in (0, 1], got {share}"
            )
        _check_blocks(layer, block_size)
        twins[name] = {
            "target_sparsity": float(1 - share),
            "block_size": block_size,
            "block_pooling_type": block_pooling,
        }
    masks = _masks(layers, twins, progress)
    for name, mask in masks.items():
        # Rounding is less than one block, but for the one that is always kept.
        block = int(np.prod(block_size))
        asked = max(block, mask.size * (1 - twins[name]["target_sparsity"]))
        if mask.sum() > asked + block + mask.size * 1e-6:
            logging.warning(
                "Layer '%s': tfmot keeps all weights of the threshold's magnitude, %d of %d, "
                "where %.0f were asked for.", name, mask.sum(), mask.size, asked
            )
    return masks


def two_by_four_mask(model, layer_name, *, progress=True):
    """`two_by_four_masks` of one layer: a boolean array of the kernel's shape."""
    return two_by_four_masks(model, layer_names=[layer_name], progress=progress)[layer_name]


def two_by_four_masks(model, *, layer_names=None, progress=True):
    """The masks of tfmot's `sparsity_m_by_n=(2, 4)`: the two greatest |w| of every four.

    The four stand in a row along the inputs of one unit or filter:

    * dense: along axis 0 of (inputs, units);
    * convolution: along axis 2, the channels, of (kh, kw, inputs, filters), at each place of the
      window for itself;
    * locally connected: along the window flattened to kh * kw * inputs, as its matrix product
      has it; where 4 divides the inputs, that is along axis 4, the channels.

    Of equal weights the first are kept, zeros too. Of a last group of fewer than four no more
    than two are kept: so two of three colour channels, and the whole of a grey one.

    Args:
        model, layer_names, progress: as in `magnitude_masks`.

    Returns, Raises: as in `magnitude_masks`.
    """
    layers = _layers(model, layer_names)
    return _masks(layers, {name: {"sparsity_m_by_n": (2, 4)} for name in layers}, progress)


def check_installed():
    """Raises ValueError, in one line, if there is no tfmot."""
    # Looks for the package without importing it.
    if importlib.util.find_spec("tensorflow_model_optimization") is None:
        raise ValueError(f"tensorflow-model-optimization is not installed: {_INSTALL}")


def _layers(model, names):
    """The layers of these names, or all that have masks: dict of names to layers."""
    own = model.layers if isinstance(model, keras.Model) else [model]
    if names is None:
        layers = [layer for layer in own if _has_mask(layer)]
        if not layers:
            raise ValueError(
                f"model '{model.name}' has no Dense, Conv2D or MaskedLocallyConnected2D layer of "
                "its own"
            )
    elif own == [model]:
        layers = own
    else:
        layers = [model.get_layer(name) for name in dict.fromkeys(names)]
    counts = collections.Counter(layer.name for layer in own)
    for layer in layers:
        layer_kind(layer)
        if counts[layer.name] > 1:
            raise ValueError(f"model '{model.name}' has several layers named '{layer.name}'")
        if not layer.built:
            raise ValueError(f"layer '{layer.name}' has no weights yet: build the model first")
    return {layer.name: layer for layer in layers}


def _has_mask(layer):
    try:
        return bool(layer_kind(layer))
    except ValueError:
        return False


def _twin_shape(layer):
    """The shape of the twin's kernel. See `_to_twin`."""
    shape = tuple(int(n) for n in layer.kernel.shape)
    if layer_kind(layer) != "local":
        return shape
    out_height, out_width, *window, inputs, filters = shape
    return int(np.prod(window)) * inputs, out_height * out_width * filters


def _to_twin(layer):
    """The kernel as the twin's, float32."""
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)
    if not np.isfinite(kernel).all():
        raise ValueError(f"layer '{layer.name}' has weights that are not finite")
    if layer_kind(layer) == "local":
        kernel = np.moveaxis(kernel, (0, 1), (-3, -2))
    return np.ascontiguousarray(kernel.reshape(_twin_shape(layer)))


def _from_twin(layer, mask):
    """The twin's mask as the layer's, the inverse of `_to_twin`."""
    shape = tuple(int(n) for n in layer.kernel.shape)
    if layer_kind(layer) == "local":
        mask = mask.reshape(*shape[2:5], *shape[:2], shape[5])
        mask = np.moveaxis(mask, (-3, -2), (0, 1))
    return np.ascontiguousarray(mask.reshape(shape))


def _check_blocks(layer, block_size):
    """Refuses the blocks for which tfmot fails, or means other weights than it drops.

    Where blocks do not divide a kernel, tfmot pools it with padding on both sides, but expands
    the mask from the first row on: the block that is judged is not the one that is dropped. Nor
    does it take a kernel of one row or column of blocks.
    """
    if block_size == (1, 1):
        return
    kind = layer_kind(layer)
    if kind == "conv":
        raise ValueError(
            f"layer '{layer.name}' is a convolution: tfmot has blocks for dense (and locally "
            "connected) kernels only, so leave it out or leave out block_size"
        )
    shape = _twin_shape(layer)
    # No block over the border of two positions.
    sizes = shape[0], layer.kernel.shape[-1]
    if any(size % block for size, block in zip(sizes, block_size)):
        raise ValueError(
            f"layer '{layer.name}': blocks of {block_size} do not divide its {sizes[0]} inputs "
            f"and {sizes[1]} outputs"
        )
    if any(size == block for size, block in zip(shape, block_size)):
        raise ValueError(
            f"layer '{layer.name}': tfmot needs two blocks or more along either axis, and the "
            f"kernel is {shape} with blocks of {block_size}"
        )


def _masks(layers, twins, progress):
    """Runs tfmot in a child process.

    Args:
        layers: dict of names to layers.
        twins: dict of the same names to the arguments of the twin's pruning.
        progress: whether to show what is being done.

    Returns:
        dict of names to masks.
    """
    check_installed()
    with tempfile.TemporaryDirectory(prefix="tfmot") as folder:
        kernels = {str(i): _to_twin(layer) for i, layer in enumerate(layers.values())}
        np.savez(os.path.join(folder, "kernels.npz"), **kernels)
        del kernels
        with open(os.path.join(folder, "twins.json"), "w", encoding="utf-8") as file:
            json.dump([twins[name] for name in layers], file)
        _run(folder, list(layers), progress)
        with np.load(os.path.join(folder, "masks.npz"), allow_pickle=False) as masks:
            return {
                name: _from_twin(layer, masks[str(i)])
                for i, (name, layer) in enumerate(layers.items())
            }


def _run(folder, names, progress):
    """Runs the worker on a folder and follows its progress.

    Raises:
        ChildProcessError: with the last line of its error output, if it fails.
    """
    environment = {
        **os.environ,
        # Finds the modules that this process finds, wherever it is started.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # The memory of an accelerator is the calling process'.
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with (
        open(os.path.join(folder, "errors.txt"), "w+", errors="replace") as errors,
        tqdm(total=len(names), desc="tfmot", unit="layer", disable=not progress) as bar,
        subprocess.Popen(
            [sys.executable, "-m", "sparseface_tf.tfmot.worker", folder],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as child,
    ):
        try:
            for name, line in zip(names, child.stdout):
                kept, size = map(int, line.split())
                if progress:
                    bar.write(
                        f"{name}: tfmot keeps {kept:,} of {size:,} weights ({kept / size:.4%})",
                        file=sys.stderr,
                    )
                bar.update()
            status = child.wait()
        except BaseException:
            child.kill()
            raise
        if status:
            errors.seek(0)
            lines = [line.strip() for line in errors if line.strip()]
            raise ChildProcessError(
                f"tensorflow-model-optimization ended with status {status}: "
                f"{lines[-1] if lines else 'no message'} (it needs: {_INSTALL})"
            )
