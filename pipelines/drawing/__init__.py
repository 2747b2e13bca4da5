"""Sheets of faces to look at."""

from pipelines.drawing.contact_sheet import contact_sheet
from pipelines.drawing.sheets import draw_augmentation, draw_regions

__all__ = ["contact_sheet", "draw_augmentation", "draw_regions"]
