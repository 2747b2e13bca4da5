"""Finding the images that a list names among the faces that are there."""

import functools
import os
import posixpath
import unicodedata
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


def comparable(name: str) -> str:
    """A name in the form in which two that mean the same are equal.

    An é is one character in most lists and two in the files of a Mac (Unicode's NFC and NFD);
    Windows parts folders by backslashes; lists of files may begin with ./.
    """
    name = unicodedata.normalize("NFC", name).strip().replace("\\", "/")
    return posixpath.normpath(name) if name else name


class Names:
    """Names that others are looked up in: as they are, or else as `comparable` makes them.

    Args:
        names: sequence of names.
        stems: whether the extension may be left out of what is looked up.
    """

    def __init__(self, names: Sequence[str], stems: bool = False) -> None:
        self._names = names
        self._numbers: dict[str, int] = {}
        for form in (str, comparable):
            for i, name in enumerate(names):
                self._numbers.setdefault(form(name), i)
            for i, name in enumerate(names if stems else ()):
                self._numbers.setdefault(os.path.splitext(form(name))[0], i)

    def find(self, name: str) -> int:
        """Number of a name; -1 if it is not among them."""
        number = self._numbers.get(name)
        return self._numbers.get(comparable(name), -1) if number is None else number

    def instead(self, name: str) -> str:
        """What there is under a name but for its extension, or for capitals; "" if nothing is."""
        number = self._stems.get(_stem(name))
        return "" if number is None else self._names[number]

    @functools.cached_property
    def _stems(self):
        return {_stem(name): i for i, name in reversed([*enumerate(self._names)])}


def _stem(name):
    return os.path.splitext(comparable(name))[0].casefold()


def advice(names: Names, missing: str, else_do: str) -> str:
    """What to do about a name that is missing: the end of a line.

    Args:
        names: those that there are.
        missing: the name.
        else_do: what to do if nothing like it is there.
    """
    there = names.instead(missing)
    if not there:
        return else_do
    same_ending = os.path.splitext(there)[1] == os.path.splitext(comparable(missing))[1]
    what = "capitals differ" if same_ending else "the extension differs"
    return f"it is there as {there}, {what}: write names as the files have them"


def find_images(
    wanted: Sequence[str],
    source: Faces | Sequence[str],
    path: str | os.PathLike,
    allow_missing: bool = False,
) -> NDArray[np.int64]:
    """Numbers of named images in a source.

    Args:
        wanted: sequence of names IDENTITY/IMAGE, compared as `Names` does; the extension may be
            left out.
        source: source of faces, or sequence of names.
        path: the list that names them, for the message.
        allow_missing: whether images that are not there are marked instead of refused.

    Returns:
        int64 array (n,), -1 where an image is missing.

    Raises:
        MissingImages: if images are missing and must not, or all are; the line tells how many and
            the first.
    """
    names = Names(image_names(source), stems=True)
    found = np.array([names.find(name) for name in wanted], np.int64)
    missing = list(dict.fromkeys(name for name, i in zip(wanted, found) if i < 0))
    all_missing = bool(missing) and bool((found < 0).all())
    if missing and (all_missing or not allow_missing):
        told = advice(names, missing[0], "give the folder that the list belongs to")
        many = (
            f"None of the images of {path} is among the faces"
            if all_missing and allow_missing
            else f"{len(missing)} images of {path} are not among the faces"
        )
        raise MissingImages(f"{many}, the first is {missing[0]}: {told}.", missing)
    return found
