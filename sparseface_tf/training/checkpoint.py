"""Checkpoints: every variable of a model and its optimizer in one file."""

import re
import zipfile

import numpy as np
from keras import ops

from pipelines.files import write_atomically


def save_checkpoint(path, model, optimizer=None, **numbers):
    """Writes a checkpoint, atomically.

    Unlike `save_weights` this has the states of the dropout's random generators too, without
    which a resumed run would not be the uninterrupted one.

    Args:
        path: file to write, .npz.
        model: model whose variables (weights, masks, random states) are saved.
        optimizer: its optimizer, or None.
        **numbers: further numbers to keep, such as the step.
    """
    arrays = {f"number/{name}": np.asarray(value) for name, value in numbers.items()}
    for kind, variables in _variables(model, optimizer).items():
        for i, variable in enumerate(variables):
            arrays[f"{kind}/{i:04d}/{_name(variable)}"] = ops.convert_to_numpy(variable.value)
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load_checkpoint(path, model, optimizer=None):
    """Restores what `save_checkpoint` wrote.

    Args:
        path: the file.
        model: a model built as the saved one was.
        optimizer: a built optimizer to restore too, or None to leave its state alone.

    Returns:
        Dict of the numbers saved beside the variables.

    Raises:
        ValueError: if the file is damaged or belongs to another network.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for kind, variables in _variables(model, optimizer).items():
                saved = sorted(name for name in arrays.files if name.startswith(f"{kind}/"))
                if [name.split("/", 2)[2] for name in saved] != [_name(v) for v in variables]:
                    raise ValueError(f"{path} is the checkpoint of another network or optimizer.")
                for name, variable in zip(saved, variables):
                    variable.assign(arrays[name])
            numbers = {
                name.split("/", 1)[1]: arrays[name].item()
                for name in arrays.files
                if name.startswith("number/")
            }
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to go on without it.") from None
    return numbers


def _variables(model, optimizer):
    kinds = {"model": model.variables}
    if optimizer is not None:
        kinds["optimizer"] = optimizer.variables
    return kinds


def _name(variable):
    # Keras numbers the random generators of a process; a resumed one may count otherwise.
    return re.sub(r"^seed_generator(_\d+)?/", "seed_generator/", variable.path)
