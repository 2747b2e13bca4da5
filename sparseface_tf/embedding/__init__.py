"""Trained networks, opened from any format, and the features that they give."""
