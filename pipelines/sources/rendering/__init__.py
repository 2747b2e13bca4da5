"""Draws one face with TensorFlow operations: a turned, lit and painted ellipsoid.

The head is an ellipsoid (`head`). Features are painted where their outline holds in its frontal
coordinates (`features`), lit by one lamp (`light`) and coloured (`colours`). Masks are single
planes, composed back to front into weights (`layers`), over a background of patches
(`background`); a camera's blur, grain and colours come last (`photograph`).
"""

from pipelines.sources.rendering.drawing import draw
from pipelines.sources.rendering.variables import EVENTS, IDENTITY, SCENE

__all__ = ["EVENTS", "IDENTITY", "SCENE", "draw"]
