"""The identification signals by name, and the margins that make sense, without Keras."""

import math

IDENTIFICATION = ("softmax", "arcface", "cosface")


def check_margin(identification: str, margin: float | None, scale: float | None) -> None:
    """Looks whether a margin softmax makes sense.

    Args:
        identification: one of `IDENTIFICATION`.
        margin: of "arcface", in radians, in [0, pi/2), or of "cosface", in [0, 1]; None for the default.
        scale: of both, above 0; None for the default.

    Raises:
        ValueError: for an unknown signal, margin or scale outside of that, or any with "softmax".
    """
    if identification not in IDENTIFICATION:
        raise ValueError(
            f"No identification signal '{identification}'; choose from {', '.join(IDENTIFICATION)}."
        )
    if identification == "softmax" and (margin, scale) != (None, None):
        raise ValueError("Margin and scale belong to arcface and cosface; softmax has none.")
    if margin is not None and identification == "arcface" and not 0 <= margin < math.pi / 2:
        raise ValueError(f"ArcFace's margin must be in [0, pi/2) radians, got {margin}.")
    if margin is not None and identification == "cosface" and not 0 <= margin <= 1:
        raise ValueError(f"CosFace's margin must be in [0, 1], got {margin}.")
    if scale is not None and not scale > 0:
        raise ValueError(f"The scale of a margin softmax must be above 0, got {scale}.")
