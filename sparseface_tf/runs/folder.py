"""The folder of a run of train.py: its files by name, its finished stages, and whose it is.

    experiment.json       the settings
    held_out.txt, …       what the data are
    stage0/ stage1/ …     the finished stages, each with its metrics.json
    stage2.training/      what a run that goes on needs of the stage that it is in
    .lock .process        who writes here

A stage is trained in `stageN.training` and appears as `stageN` by one rename, whole. Only then is
the former removed. So a kill at any moment leaves a folder that the same command goes on from.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipelines.files import read_json, remove_partial, sync_folder, write_folder, write_json
from sparseface_tf.runs import lock

# Files of a run.
SETTINGS, HELD_OUT, TABLE = "experiment.json", "held_out.txt", "table.md"
# Files of a finished stage.
MODEL, MASKS, METRICS = "model.keras", "masks.npz", "metrics.json"
# Files of a stage in training and of a finished one.
CHECKPOINT, CHANNELS, SELECTION = "checkpoint.npz", "channels.json", "selection.json"
HISTORY, LOGS = "history.jsonl", "logs"
# Of a stage in training only: its best weights, with --patience.
BEST = "best.npz"
# What a finished stage keeps of its training.
_KEPT = (CHANNELS, SELECTION, HISTORY, LOGS)


def scores_file(width: float = 1.0) -> str:
    """Name of the file of a stage's scores at a width."""
    return "scores.npz" if width == 1 else f"scores_at_{100 * width:g}.npz"


def run_of(path: str | os.PathLike) -> "RunFolder | None":
    """The run of train.py that a model's file lies in; None if it lies in none."""
    folder = os.path.dirname(os.path.abspath(path))
    for run in (RunFolder(folder), RunFolder(os.path.dirname(folder))):
        if run.exists():
            return run
    return None


def unfinished_stage(path: str) -> bool:
    """Whether a path is that of a stage that is not finished, or of a file in it."""
    path = os.path.abspath(path)
    for folder in (path, os.path.dirname(path)):
        stage = re.fullmatch(r"stage(\d+)(\.training)?", os.path.basename(folder))
        run = RunFolder(os.path.dirname(folder))
        if stage and run.exists():
            return bool(stage[2]) or not run.finished(int(stage[1]))
    return False


def best_file(path: str, step: int | str) -> str:
    """Path of the weights that were best after a mini-batch, from the path of all of them."""
    stem, ending = os.path.splitext(path)
    return f"{stem}_{step}{ending}"


class RunFolder:
    """One run's folder, which need not be there yet.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)

    def file(self, *names: str) -> str:
        """Path of a file in it."""
        return os.path.join(self.path, *names)

    def stage(self, number: int, *names: str) -> str:
        """Path of a finished stage's folder, or of a file in it."""
        return self.file(f"stage{number}", *names)

    def training(self, number: int, *names: str) -> str:
        """Path of the folder that a stage is trained in, or of a file in it."""
        return self.file(f"stage{number}.training", *names)

    def exists(self) -> bool:
        """Whether a run has begun here."""
        return os.path.isfile(self.file(SETTINGS))

    def finished(self, number: int) -> bool:
        """Whether a stage is finished."""
        return os.path.isfile(self.stage(number, METRICS))

    def begun(self, number: int) -> bool:
        """Whether a stage that is not finished has a checkpoint to go on from."""
        return not self.finished(number) and os.path.isfile(self.training(number, CHECKPOINT))

    def last_finished(self) -> int | None:
        """Number of the last finished stage; None if there is none."""
        names = os.listdir(self.path) if os.path.isdir(self.path) else []
        numbers = [int(match[1]) for match in map(re.compile(r"stage(\d+)").fullmatch, names) if match]
        return max(filter(self.finished, numbers), default=None)

    def settings(self) -> dict[str, Any]:
        """The content of experiment.json, a dict."""
        return read_json(self.file(SETTINGS))

    def metrics(self, number: int) -> dict[str, Any]:
        """The content of a finished stage's metrics.json, a dict."""
        return read_json(self.stage(number, METRICS))

    def check_free(self) -> None:
        """Raises ValueError if something other than a run is in the folder."""
        # In this order: a run that has just begun is one.
        if lock.holds_others(self.path) and not self.exists():
            raise ValueError(f"{self.path} is not empty and holds no run: choose another.")

    @contextlib.contextmanager
    def claimed(self, description: dict[str, Any]) -> Iterator["RunFolder"]:
        """Context in which this process alone writes here, after what others left is tidied up.

        Args:
            description: what experiment.json shall hold, if there is none yet.

        Raises:
            ValueError: if another process writes here, or something other than a run is here.
            OSError: if the folder cannot be made or written.
        """
        self.check_free()
        os.makedirs(self.path, exist_ok=True)
        with lock.only_process(self.path):
            if not self.exists():
                write_json(self.file(SETTINGS), description)
            self._tidy()
            yield self

    def _tidy(self):
        remove_partial(self.path)
        for entry in os.listdir(self.path):
            stage = re.fullmatch(r"stage(\d+)(\.training)?", entry)
            if not stage:
                continue
            number = int(stage[1])
            if stage[2]:
                if self.finished(number):
                    shutil.rmtree(self.file(entry))
                else:
                    remove_partial(self.file(entry))
            elif not self.finished(number):
                self._adopt(number)

    def _adopt(self, number):
        """Goes on from a stage of version 0.1.0, which was trained in the folder it ends in."""
        if os.path.exists(self.training(number)):
            shutil.rmtree(self.stage(number))  # this version's training is there
            return
        checkpoint, best = self.stage(number, CHECKPOINT), self.stage(number, BEST)
        if os.path.exists(self.stage(number, MODEL)):
            # Its last checkpoint may lack the optimizer: nothing can go on from that.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(checkpoint)
        if os.path.exists(best) and os.path.exists(checkpoint):
            with np.load(checkpoint, allow_pickle=False) as arrays:
                os.rename(best, best_file(best, int(arrays["number/best_step"])))
        os.rename(self.stage(number), self.training(number))
        sync_folder(self.path)

    def begin(self, number: int) -> None:
        """Makes the folder that a stage is trained in, if it is not there."""
        os.makedirs(self.training(number), exist_ok=True)

    def finish(self, number: int, write: Callable[[str], None]) -> None:
        """Makes a stage a finished one.

        Args:
            number: of the stage.
            write: function of the path of a folder, which it has to write `MODEL`, `MASKS`,
                `CHECKPOINT`, scores and `METRICS` into. What the training has noted is there.
        """

        def collect(path):
            os.mkdir(path)
            for name in _KEPT:
                _copy(self.training(number, name), os.path.join(path, name))
            write(path)

        write_folder(self.stage(number), collect)
        shutil.rmtree(self.training(number), ignore_errors=True)


def _copy(source, target):
    """Copies a file or a folder, if it is there; the first error is raised as it is."""
    if os.path.isdir(source):
        os.mkdir(target)
        for name in os.listdir(source):
            _copy(os.path.join(source, name), os.path.join(target, name))
    elif os.path.exists(source):
        shutil.copyfile(source, target)
