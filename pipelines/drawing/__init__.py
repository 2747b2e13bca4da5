"""Sheets of faces to look at."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.drawing.contact_sheet import contact_sheet
    from pipelines.drawing.sheets import draw_augmentation, draw_regions

__all__ = ["contact_sheet", "draw_augmentation", "draw_regions"]

__getattr__, __dir__ = handed_on(__name__, __file__)
