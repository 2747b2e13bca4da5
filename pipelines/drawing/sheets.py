"""Contact sheets of what a network gets to see."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.batches.batches import training_crop
from pipelines.drawing.contact_sheet import contact_sheet
from pipelines.faces.augmentation import Augmentation
from pipelines.faces.cropping import crop_regions
from pipelines.faces.regions import Region
from pipelines.faces.source import Faces

EXAMPLES = 4
COLUMNS = 5
GAP = 2  # pixels between the two of a pair


def draw_regions(
    faces: Faces, regions: Sequence[Region], path: str | os.PathLike, examples: int = EXAMPLES
) -> None:
    """Writes a contact sheet of regions: of every face all of them, each beside its mirrored one.

    Args:
        faces: source of faces.
        regions: list of `Region`.
        path: the PNG to write.
        examples: number of faces, drawn evenly from the source.
    """
    cells: list[list] = []
    names: list[list] = []
    for index in _evenly(faces, examples):
        image, landmarks = faces.load(tf.constant(index))
        plain = crop_regions(image, landmarks, regions)
        mirrored = crop_regions(image, landmarks, regions, mirrored=True)
        cells += _in_rows([_side_by_side(a, b) for a, b in zip(plain, mirrored)])
        names += _in_rows([region.name for region in regions])
    contact_sheet(cells, [], path, captions=names)


def _side_by_side(a, b):
    gap = np.full((a.shape[0], GAP, a.shape[2]), 255, np.uint8)
    return np.concatenate([_pixels(a), gap, _pixels(b)], 1)


def _in_rows(cells):
    return [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]


def draw_augmentation(
    faces: Faces,
    region: Region,
    augmentation: Augmentation,
    path: str | os.PathLike,
    examples: int = EXAMPLES,
    seed: int = 0,
) -> None:
    """Writes a contact sheet of augmentation: each kind alone, then all together.

    Args:
        faces: source of faces.
        region: the `Region` to cut out.
        augmentation: an `Augmentation`; what it does not change is left out.
        path: the PNG to write.
        examples: number of faces, drawn evenly from the source.
        seed: integer.
    """
    kinds = {"as it is": Augmentation(flip=False)}
    for field in dataclasses.fields(Augmentation):
        amount = getattr(augmentation, field.name)
        if amount:
            title = field.name if amount is True else f"{field.name} {amount:g}"
            kinds[title] = Augmentation(**{"flip": False, field.name: amount})
    kinds["all"] = augmentation
    rows = []
    for row, index in enumerate(_evenly(faces, examples)):
        image, landmarks = faces.load(tf.constant(index))
        rows.append([
            _pixels(training_crop(
                image, landmarks, region, kind, mirrored=True, seed=seed, example=row,
            ))
            for kind in kinds.values()
        ])
    contact_sheet(rows, list(kinds), path)


def _evenly(faces, count):
    """Numbers of images, evenly from the whole source."""
    return np.linspace(0, len(faces) - 1, min(count, len(faces))).round().astype(np.int64)


def _pixels(crop):
    return np.clip(np.round(crop), 0, 255).astype(np.uint8)
