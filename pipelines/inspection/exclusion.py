"""Leaving out the images that a file names."""

import os

import numpy as np
from absl import logging

from pipelines.faces.names import Names, advice, image_names
from pipelines.faces.source import Faces
from pipelines.faces.text import read_lines
from pipelines.sources.subset import Subset


def without(source: Faces, path: str | os.PathLike) -> Subset:
    """The source without the images that a file names.

    Args:
        source: source of faces.
        path: file with the name of an image in every line, what stands behind a tab ignored.

    Returns:
        A `Subset` of the source.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it names no image that is there, or all of them.
    """
    path = os.fspath(path)
    lines = read_lines(path, "list of images to leave out")
    names = sorted({line.partition("\t")[0].strip("\r") for _, line in lines} - {""})
    there = Names(image_names(source))
    numbers = [*map(there.find, names)]
    kept = np.setdiff1d(np.arange(len(source)), numbers)
    unknown = [name for name, i in zip(names, numbers) if i < 0]
    if unknown and len(unknown) == len(names):
        told = advice(there, unknown[0], "give each as IDENTITY/IMAGE")
        raise ValueError(
            f"{path} names no image that is there, the first is {unknown[0]}: {told}."
        )
    if not len(kept):
        raise ValueError(f"{path} leaves out every image: nothing would be left.")
    logging.info("Left out %d images that %s names.", len(source) - len(kept), path)
    if unknown:
        # As those that write_records has left out already.
        logging.warning(
            "%d names in %s are not among the images, the first is %s.", len(unknown), path, unknown[0]
        )
    return Subset(source, kept)
