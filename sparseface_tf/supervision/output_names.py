"""What the outputs of a training model at several widths are called."""


def level_name(name, share):
    """What a layer or an output is called at a width: itself at 1, "NAME_at_75" at 0.75."""
    return name if share == 1 else f"{name}_at_{100 * share:g}"


def level_of(name):
    """The (name, width) that `level_name` has put together.

    Example:

    >>> level_of("f_identity_at_12.5")
    ('f_identity', 0.125)
    """
    plain, at, percent = name.rpartition("_at_")
    return (plain, float(percent) / 100) if at else (name, 1.0)
