"""Sheets of faces to look at."""
