"""Finding the images that a list names among the faces that are there."""

import os
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.faces.source import Faces


class MissingImages(ValueError):
    """A list names images that are not there.

    Attributes:
        names: which, a tuple.
    """

    def __init__(self, message: str, names: Iterable[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


def image_names(source: Faces | Sequence[str]) -> list[str]:
    """Names of all images, a list: of a source of faces, or of a sequence of names itself."""
    if hasattr(source, "name"):
        return [source.name(i) for i in range(len(source))]
    return list(source)


def find_images(
    wanted: Sequence[str],
    source: Faces | Sequence[str],
    path: str | os.PathLike,
    allow_missing: bool = False,
) -> NDArray[np.int64]:
    """Numbers of named images in a source.

    Args:
        wanted: sequence of names IDENTITY/IMAGE; the extension may be left out.
        source: source of faces, or sequence of names.
        path: the list that names them, for the message.
        allow_missing: whether images that are not there are marked instead of refused.

    Returns:
        int64 array (n,), -1 where an image is missing.

    Raises:
        MissingImages: if images are missing and must not, or all are; the line tells how many and
            the first.
    """
    numbers = {}
    for i, name in enumerate(image_names(source)):
        numbers[name] = i
        numbers.setdefault(os.path.splitext(name)[0], i)
    found = np.array([numbers.get(name, -1) for name in wanted], np.int64)
    missing = list(dict.fromkeys(name for name, i in zip(wanted, found) if i < 0))
    if missing and not allow_missing:
        raise MissingImages(
            f"{len(missing)} images of {path} are not among the faces, the first is {missing[0]}: "
            "give the folder that the list belongs to.",
            missing,
        )
    if len(missing) and (found < 0).all():
        raise MissingImages(
            f"None of the images of {path} is among the faces, the first is {missing[0]}: give "
            "the folder that the list belongs to.",
            missing,
        )
    return found
