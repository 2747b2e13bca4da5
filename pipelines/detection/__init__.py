"""Landmarks of raw photographs, found by MTCNN."""
