"""Scorers of a network's features with their calibrations, and the file that keeps them."""

from __future__ import annotations

import dataclasses
import os
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.files import write_atomically
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.recognition.calibration import Calibration

if TYPE_CHECKING:
    from sparseface_tf.embedding.embedder import Embedder
    from sparseface_tf.matching.joint_bayesian import JointBayesian

FILE = "recognition.npz"
# Part of every key: to be raised when faces with landmarks are cut out in another way than before, which
# makes calibrations and galleries void.
CUT = 1
VERSION = 2
COSINE, JOINT_BAYESIAN = "cosine", "joint_bayesian"
SCORERS = (COSINE, JOINT_BAYESIAN)
# Arrays of that many bytes are no calibration: Joint Bayesian of 4,096 features has 134 MB.
MAX_BYTES = 1 << 28


@dataclasses.dataclass(frozen=True)
class Scoring:
    """A scorer and what its scores mean.

    Attributes:
        scorer: `Cosine` or fitted `JointBayesian`.
        calibrations: `Calibration`s of the scores of a face with a template, by the template's
            number of photographs; that of 1, two faces, is always there.
    """

    scorer: Cosine | JointBayesian
    calibrations: Mapping[int, Calibration]

    @property
    def calibration(self) -> Calibration:
        """That of two faces."""
        return self.calibrations[1]

    def calibration_of(self, photographs: int) -> Calibration:
        """That of a template of so many photographs: of as many, or of the next fewer ones."""
        return self.calibrations[max(n for n in self.calibrations if n <= photographs)]


def key_of(embedder: Embedder) -> str:
    """Names a network, an `Embedder`, and the way that faces are cut out for it."""
    return f"{embedder.key}-{CUT}"


def write_scorings(
    path: str | os.PathLike, key: str, scorings: Mapping[str, Scoring]
) -> None:
    """Writes scorers with their calibrations, atomically; arrays only, nothing that could run.

    Args:
        path: the `.npz` file.
        key: names the network, see `key_of`.
        scorings: dict from name of the scorer to `Scoring`.
    """
    arrays: dict[str, Any] = {"version": np.int64(VERSION), "model": np.array(key)}
    for name, scoring in scorings.items():
        for photographs, calibration in scoring.calibrations.items():
            for field, value in calibration.to_arrays().items():
                arrays[f"{name}.{photographs}.{field}"] = value
        if not isinstance(scoring.scorer, Cosine):
            for field, value in scoring.scorer.to_arrays().items():
                arrays[f"{name}.{field}"] = value
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read_scorings(
    path: str | os.PathLike, key: str, model: str = "", scorers: Sequence[str] = SCORERS
) -> dict[str, Scoring]:
    """Reads what `write_scorings` wrote, whoever wrote it.

    Args:
        path: the `.npz` file.
        key: names the network, see `key_of`.
        model: how the user named the network, for the command that errors tell; empty: not at all.
        scorers: names of those that are wanted.

    Returns:
        Dict from name of the scorer to `Scoring`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is of another network, no such file, or damaged.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"No calibration {path}: {calibrate_command(model, path)} makes it."
        )
    try:
        with zipfile.ZipFile(path) as file:
            if sum(part.file_size for part in file.infolist()) > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if int(arrays["version"]) != VERSION:
            raise ValueError(
                f"it is of version {int(arrays['version'])}, not {VERSION}: calibrate again"
            )
        found_key = str(arrays["model"])
        scorings = {}
        for name in scorers:
            prefix = f"{name}."
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            if own:
                scorer = Cosine() if name == COSINE else _joint_bayesian(own)
                scorings[name] = Scoring(scorer, _calibrations(own))
    except KeyError as error:
        raise ValueError(f"{path} is no calibration: it lacks {error}.") from None
    # NumPy and zipfile raise all kinds, MemoryError for a header that lies.
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or repr(error)
        raise ValueError(f"{path} is no calibration, or damaged: {reason}.") from None
    if found_key != key:
        making = calibrate_command(model, "FILE")
        raise ValueError(
            f"{path} is of another network ({found_key[:8]}, not {key[:8]}): give its --calibration; "
            f"{making} makes one."
        )
    return scorings


def _joint_bayesian(arrays):
    """The fitted `JointBayesian` of some arrays."""
    # With scikit-learn, which takes a second to import.
    from sparseface_tf.matching.joint_bayesian import JointBayesian  # noqa: PLC0415

    return JointBayesian.from_arrays(arrays)


def _calibrations(arrays):
    """Dict from a number of photographs to its `Calibration`, from a scorer's arrays."""
    sizes = {int(name.split(".")[0]) for name in arrays if name.split(".")[0].isdecimal()}
    found = {}
    for size in sorted(sizes | {1}):
        prefix = f"{size}."
        own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        found[size] = Calibration.from_arrays(own)
    return found


def calibrate_command(model: str, output: str) -> str:
    """The command that calibrates a network into a file, as one would type it.

    Args:
        model: what --model is; empty: not given.
        output: the file.
    """
    named = f"--model={shlex.quote(model)} " if model else ""
    return f"sparseface recognize calibrate {named}--data=DIR --output={shlex.quote(output)}"
