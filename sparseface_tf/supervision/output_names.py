"""What the outputs of a training model at several widths are called."""


def name_at_width(name: str, width: float) -> str:
    """What a layer or an output is called at a width: itself at 1, "NAME_at_75" at 0.75."""
    return name if width == 1 else f"{name}_at_{100 * width:g}"


def name_and_width(name: str) -> tuple[str, float]:
    """The (name, width) that `name_at_width` has put together.

    Example:

    >>> name_and_width("f_identity_at_12.5")
    ('f_identity', 0.125)
    """
    plain, at, percent = name.rpartition("_at_")
    return (plain, float(percent) / 100) if at else (name, 1.0)
