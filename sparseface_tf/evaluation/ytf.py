"""YouTube Faces (Wolf et al., CVPR 2011): verification of 5,000 pairs of videos in ten splits.

A video is a folder of frames NAME/VIDEO/FRAME.jpg; the score of two videos is the mean of the
scores of all pairs of a frame of one and a frame of the other.
"""

import dataclasses
import os
from typing import NamedTuple

import numpy as np

from pipelines.faces.names import MissingImages, comparable, image_names
from pipelines.faces.text import read_lines
from sparseface_tf.evaluation.pairs import check_features, check_folds
from sparseface_tf.evaluation.sets import mean_scores


@dataclasses.dataclass(frozen=True)
class VideoTest:
    """Pairs of videos to verify; `evaluate_pairs` makes the numbers from their scores.

    Attributes:
        images: int64 array (n,), which images of the source are needed, video by video. Features
            are given in this order.
        starts: int64 array (videos + 1,): the frames of video v are rows starts[v] to
            starts[v + 1] - 1.
        videos: tuple of their names NAME/VIDEO.
        pairs: int64 array (p, 2), videos.
        same: bool array (p,), whether the two are of the same identity.
        fold: int64 array (p,), the split.
        labels: int64 array (videos,), identity of each.
        missing: names of videos that the list has and the source does not, a tuple.
        left_out: number of pairs left out for that.
    """

    images: np.ndarray
    starts: np.ndarray
    videos: tuple
    pairs: np.ndarray
    same: np.ndarray
    fold: np.ndarray
    labels: np.ndarray
    missing: tuple = ()
    left_out: int = 0


def read_splits(path, source, allow_missing=False):
    """Reads `splits.txt`.

    A line is: split, number, NAME/VIDEO, NAME/VIDEO, 1 for the same person or 0. A first line of
    headings is ignored.

    Args:
        path: the list.
        source: source of frames NAME/VIDEO/FRAME.jpg, such as `FolderFaces(path, videos=True)`, or
            sequence of names.
        allow_missing: whether pairs of videos without frames are left out and counted.

    Returns:
        `VideoTest`.

    Raises:
        FileNotFoundError: if there is no such list.
        MissingImages: if videos have no frame and must, or none has.
        ValueError: for a malformed line, with its number; a label that disagrees with the names; a
            split without pairs of either kind.
    """
    path = os.fspath(path)
    rows = _read_pairs(path)
    frames = {}
    for i, name in enumerate(image_names(source)):
        frames.setdefault(comparable(os.path.dirname(name)), []).append(i)
    missing = _missing(path, rows, frames, allow_missing)
    kept = [row for row in rows if row.first in frames and row.second in frames]
    same, fold = np.array([row.same for row in kept], bool), np.array([row.split for row in kept])
    check_folds(same, fold, sorted({row.split for row in rows}), path)
    videos = sorted({video for row in kept for video in row.videos})
    number = {video: i for i, video in enumerate(videos)}
    return VideoTest(
        images=np.array([i for video in videos for i in frames[video]], np.int64),
        starts=np.cumsum([0, *(len(frames[video]) for video in videos)]),
        videos=tuple(videos),
        pairs=np.array([[number[video] for video in row.videos] for row in kept], np.int64),
        same=same,
        fold=fold.astype(np.int64),
        labels=np.unique([os.path.dirname(video) for video in videos], return_inverse=True)[1],
        missing=tuple(missing),
        left_out=len(rows) - len(kept),
    )


class _Pair(NamedTuple):
    """A line of the list: two videos NAME/VIDEO, whether of one person, and the split."""

    first: str
    second: str
    same: bool
    split: int

    @property
    def videos(self):
        return self[:2]


def _read_pairs(path):
    """The lines of a list, `_Pair`s, at least one."""
    rows = []
    for number, line in read_lines(path, "list of video pairs"):
        fields = [comparable(field) for field in line.split(",")]
        if not rows and number == 1 and not fields[0].isdigit():
            continue
        if (
            len(fields) != 5
            or not fields[0].isdigit()
            or fields[4] not in ("0", "1")
            or any(field.count("/") != 1 for field in fields[2:4])
        ):
            raise ValueError(
                f"{path}, line {number}: expected split, number, NAME/VIDEO, NAME/VIDEO, 0 or 1, "
                f"got {line.strip()!r}."
            )
        split, _, first, second, same = fields
        row = _Pair(first, second, same == "1", int(split))
        if row.same != (first.split("/")[0] == second.split("/")[0]):
            raise ValueError(
                f"{path}, line {number}: {first} and {second} are given as "
                f"{'the same' if row.same else 'different'} people, their names say otherwise."
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} lists no pair.")
    return rows


def _missing(path, rows, frames, allow_missing):
    """Videos of a list without a frame, a list of names; MissingImages if there must be none."""
    wanted = list(dict.fromkeys(video for row in rows for video in row.videos))
    missing = [video for video in wanted if video not in frames]
    if missing and (not allow_missing or len(missing) == len(wanted)):
        raise MissingImages(
            f"{len(missing)} of {len(wanted)} videos of {path} have no frame among the faces, the "
            f"first is {missing[0]}: give the folder that holds NAME/VIDEO/FRAME.",
            missing,
        )
    return missing


def score_videos(features, test, scorer, title=None):
    """Mean score over all pairs of frames, for each pair of videos.

    Args:
        features: float array (n, d), of `test.images`.
        test: `VideoTest`.
        scorer: has `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m), symmetric.
        title: what a progress bar says in front; None for no bar.

    Returns:
        float64 array (p,).
    """
    check_features(features, len(test.images))
    frames = [features[a:b] for a, b in zip(test.starts[:-1], test.starts[1:])]
    return mean_scores(frames, test.pairs, scorer, title)
