"""What the folder of a run of train.py holds, and when a stage of it is finished."""

from sparseface_tf.runs.folder import (
    HELD_OUT,
    METRICS,
    MODEL,
    SETTINGS,
    RunFolder,
    run_of,
    scores_file,
    unfinished_stage,
)
from sparseface_tf.runs.metrics import TITLES, accuracy

__all__ = [
    "HELD_OUT",
    "METRICS",
    "MODEL",
    "SETTINGS",
    "RunFolder",
    "TITLES",
    "accuracy",
    "run_of",
    "scores_file",
    "unfinished_stage",
]
