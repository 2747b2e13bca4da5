"""Landmarks of raw photographs, found by MTCNN or another detector."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.detection.face import Face, main_face
    from pipelines.detection.notes import REPORT, Counts
    from pipelines.detection.orientation import upright_turns
    from pipelines.detection.photos import detect_landmarks

__all__ = ["REPORT", "Counts", "Face", "detect_landmarks", "main_face", "upright_turns"]

__getattr__, __dir__ = handed_on(__name__, __file__)
