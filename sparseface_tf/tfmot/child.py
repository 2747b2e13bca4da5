"""Running tfmot in a child process, in which tf_keras rules."""

import importlib.util
import json
import os
import sys
import tempfile

import numpy as np
from tqdm import tqdm

from sparseface_tf.child import ChildFailed, child_lines
from sparseface_tf.tfmot.twins import from_twin, to_twin

WORKER = os.path.join(os.path.dirname(__file__), "worker.py")
INSTALL = "pip install tensorflow-model-optimization tf_keras setuptools"
ENVIRONMENT = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # The memory of an accelerator is the calling process'.
    "CUDA_VISIBLE_DEVICES": "-1",
}


def check_installed() -> None:
    """Raises ValueError, in one line, if there is no tfmot."""
    # Looks for the package without importing it.
    if importlib.util.find_spec("tensorflow_model_optimization") is None:
        raise ValueError(f"tensorflow-model-optimization is not installed: {INSTALL}")


def masks_by_tfmot(layers, twins, progress):
    """The masks that tfmot gives some layers.

    Args:
        layers: dict of names to layers.
        twins: dict of the same names to the arguments of the twin's pruning, see `worker.twin`.
        progress: whether to show what is being done.

    Returns:
        dict of names to boolean arrays of the kernels' shapes.

    Raises:
        ValueError: if tfmot is not installed, or weights are not finite.
        ChildProcessError: in one line, if tfmot fails.
    """
    check_installed()
    with tempfile.TemporaryDirectory(prefix="tfmot") as folder:
        kernels = {str(i): to_twin(layer) for i, layer in enumerate(layers.values())}
        np.savez(os.path.join(folder, "kernels.npz"), **kernels)
        del kernels
        with open(os.path.join(folder, "twins.json"), "w", encoding="utf-8") as file:
            json.dump([twins[name] for name in layers], file)
        _run(folder, list(layers), progress)
        with np.load(os.path.join(folder, "masks.npz"), allow_pickle=False) as masks:
            return {
                name: from_twin(layer, masks[str(i)])
                for i, (name, layer) in enumerate(layers.items())
            }


def _run(folder, names, progress):
    """Runs the worker on a folder and follows its progress, a line a layer."""
    lines = child_lines(WORKER, folder, **ENVIRONMENT)
    try:
        with tqdm(total=len(names), desc="tfmot", unit="layer", disable=not progress) as bar:
            for i, line in enumerate(lines):
                kept, size = map(int, line.split())
                if progress:
                    bar.write(
                        f"{names[i]}: tfmot keeps {kept:,} of {size:,} weights ({kept / size:.4%})",
                        file=sys.stderr,
                    )
                bar.update()
    except ChildFailed as error:
        raise ChildProcessError(
            f"tensorflow-model-optimization ended with status {error.status}: {error} (it needs: "
            f"{INSTALL})"
        ) from None
