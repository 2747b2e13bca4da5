"""Landmarks of raw photographs, found by MTCNN or another detector."""

from pipelines.detection.face import Face, main_face
from pipelines.detection.notes import REPORT, Counts
from pipelines.detection.orientation import upright_turns
from pipelines.detection.photos import detect_landmarks

__all__ = ["REPORT", "Counts", "Face", "detect_landmarks", "main_face", "upright_turns"]
