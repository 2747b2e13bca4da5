"""Scorers of a network's features with their calibrations, and the file that keeps them."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.files import write_atomically
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.gallery import top_k
from sparseface_tf.recognition.calibration import Calibration
from sparseface_tf.recognition.tail import rate_of_comparison

if TYPE_CHECKING:
    from sparseface_tf.matching.joint_bayesian import JointBayesian

FILE = "recognition.npz"
VERSION = 1
COSINE, JOINT_BAYESIAN = "cosine", "joint_bayesian"
SCORERS = (COSINE, JOINT_BAYESIAN)
# Arrays of that many bytes are no calibration: Joint Bayesian of 4,096 features has 134 MB.
MAX_BYTES = 1 << 28

# Beforehand half of the faces are taken to be of someone in the gallery, anyone of them alike.
IN_GALLERY = 0.5
# Faces of the gallery looked at: those behind the best hardly change a probability.
BEST = 100


@dataclasses.dataclass(frozen=True)
class Match:
    """What a gallery says of a face.

    Attributes:
        name: who it is, or is most like; None if the gallery is empty.
        known: whether the score reaches the threshold.
        score: the best with any face of that person.
        probability: that it is this person.
        threshold: from which on faces are known.
        measured: whether the threshold's rate was; else it is extrapolated.
    """

    name: str | None
    known: bool = False
    score: float = -np.inf
    probability: float = 0.0
    threshold: float = np.inf
    measured: bool = True


@dataclasses.dataclass(frozen=True)
class Scoring:
    """A scorer and what its scores mean.

    Attributes:
        scorer: `Cosine` or fitted `JointBayesian`.
        calibration: `Calibration` of its scores.
    """

    scorer: Cosine | JointBayesian
    calibration: Calibration

    def search(
        self, probes: NDArray, gallery: NDArray, names: Sequence[str], far: float
    ) -> list[Match]:
        """Who faces are, of a gallery.

        The score of a person is the best with any of the person's faces. It must reach the
        threshold at which a search among all faces of the gallery raises a false alarm, for
        someone who is not in it, at the rate asked for, see `rate_of_comparison`.

        With r the ratio of likelihoods of a person's score, G people and q = `IN_GALLERY`, the
        probability of a person is r q / G over the sum of that of all people and 1 - q.

        Args:
            probes: float32 array (n, features).
            gallery: float32 array (m, features).
            names: list of m strings, whose each is.
            far: rate of false alarms of a search.

        Returns:
            List of n `Match`.
        """
        if not len(probes) or not len(gallery):
            return [Match(None) for _ in probes]
        threshold, measured = self.calibration.threshold_at(rate_of_comparison(far, len(gallery)))
        probes, gallery = self.scorer.transform(probes), self.scorer.transform(gallery)
        scores, who = top_k(
            probes,
            np.asarray(gallery, np.float32),
            min(BEST, len(gallery)),
            probe_offsets=self.scorer.offsets(probes),
            gallery_offsets=self.scorer.offsets(gallery),
        )
        share = IN_GALLERY / len(set(names))
        matches = []
        for row, faces in zip(scores, who):
            best: dict[str, float] = {}
            for score, face in zip(row.tolist(), faces.tolist()):
                best.setdefault(names[face], score)  # the first is the highest
            odds = np.log(share) + self.calibration.log_ratio([*best.values()])
            odds = np.append(odds, np.log1p(-IN_GALLERY))
            (name, score), *_ = best.items()
            probability = float(np.exp(odds[0] - np.logaddexp.reduce(odds)))
            matches.append(Match(name, score >= threshold, score, probability, threshold, measured))
        return matches


def write_scorings(
    path: str | os.PathLike, key: str, scorings: Mapping[str, Scoring]
) -> None:
    """Writes scorers with their calibrations, atomically; arrays only, nothing that could run.

    Args:
        path: the `.npz` file.
        key: names the network, see `Embedder`.
        scorings: dict from name of the scorer to `Scoring`.
    """
    arrays: dict[str, Any] = {"version": np.int64(VERSION), "model": np.array(key)}
    for name, scoring in scorings.items():
        for field, value in scoring.calibration.to_arrays().items():
            arrays[f"{name}.{field}"] = value
        if not isinstance(scoring.scorer, Cosine):
            for field, value in scoring.scorer.to_arrays().items():
                arrays[f"{name}.{field}"] = value
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read_scorings(
    path: str | os.PathLike, key: str, scorers: Sequence[str] = SCORERS
) -> dict[str, Scoring]:
    """Reads what `write_scorings` wrote, whoever wrote it.

    Args:
        path: the `.npz` file.
        key: names the network, see `Embedder`.
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
            f"No calibration {path}: python recognize.py calibrate --data=DIR makes it."
        )
    try:
        with zipfile.ZipFile(path) as file:
            if sum(part.file_size for part in file.infolist()) > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if int(arrays["version"]) != VERSION:
            raise ValueError(f"it is of version {int(arrays['version'])}, not {VERSION}")
        model = str(arrays["model"])
        scorings = {}
        for name in scorers:
            prefix = f"{name}."
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            if own:
                scorer = Cosine() if name == COSINE else _joint_bayesian(own)
                scorings[name] = Scoring(scorer, Calibration.from_arrays(own))
    except KeyError as error:
        raise ValueError(f"{path} is no calibration: it lacks {error}.") from None
    # NumPy and zipfile raise all kinds, MemoryError for a header that lies.
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or repr(error)
        raise ValueError(f"{path} is no calibration, or damaged: {reason}.") from None
    if model != key:
        raise ValueError(
            f"{path} is of another network ({model[:8]}, not {key[:8]}): calibrate this one, or give "
            "its --calibration."
        )
    return scorings


def _joint_bayesian(arrays):
    """The fitted `JointBayesian` of some arrays."""
    # With scikit-learn, which takes a second to import.
    from sparseface_tf.matching.joint_bayesian import JointBayesian  # noqa: PLC0415

    return JointBayesian.from_arrays(arrays)
