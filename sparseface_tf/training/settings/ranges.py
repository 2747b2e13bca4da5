"""Checks of single settings, which name the flag."""

import dataclasses
import math


def check_range(settings, *names, least=None, above=None, most=None, below=None):
    """Refuses numbers outside a range; NaN and infinity are outside of every range.

    Args:
        settings: a dataclass of settings.
        *names: its fields to look at.
        least, most: the ends of the range, if they belong to it.
        above, below: the ends, if they do not.

    Raises:
        ValueError: for the first one outside, with the flag and the range.
    """
    for name in names:
        value = getattr(settings, name)
        good = (
            (least is None or value >= least)
            and (above is None or value > above)
            and (most is None or value <= most)
            and (below is None or value < below)
        )
        if not good or not math.isfinite(value):
            wanted = _words(least, above, most, below)
            raise ValueError(f"--{flag_of(settings, name)} must be {wanted}, got {value}.")


def check_choice(settings, name, values):
    """Refuses a text that is none of `values`, with a ValueError that lists them."""
    value = getattr(settings, name)
    if value not in values:
        flag = flag_of(settings, name)
        raise ValueError(f"--{flag} must be one of {', '.join(values)}, got {value!r}.")


def flag_of(settings, name):
    """What the flag of a field of a dataclass of settings is called."""
    field = next(field for field in dataclasses.fields(settings) if field.name == name)
    return field.metadata["flag"] or name


def _words(least, above, most, below):
    """A range as a reader expects it: "at least 1", "above 0", "in [0, 1)"."""
    if most is None and below is None:
        return f"at least {least}" if above is None else f"above {above}"
    low = f"[{least}" if above is None else f"({above}"
    return f"in {low}, {most}]" if below is None else f"in {low}, {below})"
