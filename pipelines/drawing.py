"""Contact sheets of what a network gets to see."""

import dataclasses

import numpy as np
import tensorflow as tf

from pipelines.augmentation import Augmentation
from pipelines.batches import training_crop
from pipelines.contact_sheet import contact_sheet
from pipelines.regions import crop_regions

EXAMPLES = 4


def draw_regions(faces, regions, path, examples=EXAMPLES):
    """Writes a contact sheet of regions: one row for each, of the same faces and mirrored ones.

    Args:
        faces: source of faces.
        regions: list of `Region`.
        path: the PNG to write.
        examples: number of faces, drawn evenly from the source.
    """
    columns = []
    for index in _evenly(faces, examples):
        image, landmarks = faces.load(tf.constant(index))
        for mirrored in (False, True):
            columns.append(crop_regions(image, landmarks, regions, mirrored=mirrored))
    rows = [[_pixels(column[i]) for column in columns] for i in range(len(regions))]
    titles = [title for _ in columns[::2] for title in ("as it is", "mirrored")]
    contact_sheet(rows, titles, path, row_titles=[region.name for region in regions])


def draw_augmentation(faces, region, augmentation, path, examples=EXAMPLES, seed=0):
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
