"""What every protocol is made from, and what it gives."""

import os
from typing import Any, Callable, NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.sources import open_faces
from sparseface_tf.evaluation.section import Number, Run


class Place(NamedTuple):
    """Where a protocol finds its images and lists.

    Attributes:
        data: source of faces, see `pipelines.sources.open_faces`; for "ytf" the folder of frames,
            for IJB-A that of images.
        lists: folder of the published lists; empty for `data` itself.
        pairs: list of pairs, for "pairs".
        allow_missing: go on without images that are not there.
        templates: how templates are compared, one of `ijba.FUSIONS`.
        open: function from a name to a source of faces, which may remember those it has opened.
    """

    data: str
    lists: str = ""
    pairs: str = ""
    allow_missing: bool = False
    templates: str = "scores"
    open: Callable = open_faces

    def faces(self) -> Any:
        """The source of faces."""
        return self.open(self.data)

    def list(self, *names: str) -> str:
        """Path of the first list or folder of these names that is there.

        Raises:
            FileNotFoundError: if there is none.
        """
        folder = self.lists or self.data
        paths = [os.path.join(folder, name) for name in names]
        for path in paths:
            if tf.io.gfile.exists(path):
                return path
        raise FileNotFoundError(
            f"No {' or '.join(names)} in {folder}: give the folder of the published lists, --lists."
        )


class Found(NamedTuple):
    """What a run of a protocol found.

    Attributes:
        result: the protocol's dataclass of numbers, for JSON.
        run: the same as `Run`, for people.
        scores: of every pair, float64 (p,); None where the protocol has no pairs.
        right: whether the decision on each pair is correct, bool (p,); None likewise.
    """

    result: object
    run: Run
    scores: np.ndarray | None = None
    right: np.ndarray | None = None


def missing_facts(test, what=""):
    """Sentences on images that are not there, and on what of the test is left out for them."""
    if not test.missing:
        return []
    left = f", so {test.left_out:,} {what} are left out" if what else ""
    return [f"{len(test.missing):,} images or videos of the list are not there{left}."]


def number_of(estimate, spread="standard deviation", lower_is_better=False):
    """`Number` of an `Estimate`."""
    return Number(
        estimate.mean,
        getattr(estimate, spread.replace(" ", "_")),
        spread,
        estimate.interval,
        estimate.over,
        lower_is_better,
    )
