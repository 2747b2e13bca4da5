"""What is wrong in a set of faces, what it shares with another one, and what to leave out."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.inspection.checking import check_images
    from pipelines.inspection.duplicates import Matches
    from pipelines.inspection.examination import Common, Examination, compare, examine, exclusions
    from pipelines.inspection.landmark_sanity import Faults, Fit, faults, fit
    from pipelines.inspection.survey import Survey, survey

__all__ = [
    "Common",
    "Examination",
    "Faults",
    "Fit",
    "Matches",
    "Survey",
    "check_images",
    "compare",
    "examine",
    "exclusions",
    "faults",
    "fit",
    "survey",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
