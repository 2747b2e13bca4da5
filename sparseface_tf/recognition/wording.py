"""How recognition says what it found: rates, probabilities, who a face is, a calibration."""

import numpy as np

from pipelines.tables import markdown_table

TABLE_FARS = (0.1, 0.01, 0.001, 0.0001, 0.00001)


# Behind "no face", of a photograph that was turned in vain.
NOWHERE = "upright, on either side or upside down; a larger --size finds smaller faces"

_TURNED = {1: "a quarter turn to the left", 2: "half a turn", 3: "a quarter turn to the right"}


def turned(turns):
    """How a photograph was turned before faces were found, by quarter turns to the left."""
    return f"no face as it is; faces were found after {_TURNED[turns]}"


def percent(probability):
    """A probability for people: never quite 0 or 1."""
    return f"{100 * np.clip(probability, 0.001, 0.999):.1f} %"


def rate(far, measured):
    """A false accept rate, and whether it was measured."""
    return f"a false accept rate of {far:g}{'' if measured else ' (extrapolated)'}"


def faces(count):
    """Such as "1 face" or "1,200 faces"."""
    return "1 face" if count == 1 else f"{count:,} faces"


def answer(match):
    """What a gallery says of a face, a `Match`, in a line."""
    if match.name is None:
        return "unknown; the gallery is empty"
    text = f"{match.name}, {percent(match.probability)}, score {match.score:.3f}"
    return text if match.known else f"unknown; closest is {text}"


def label(match):
    """The same, short enough for a picture."""
    return f"{match.name} {percent(match.probability)}" if match.known else "unknown"


def calibration_table(name, calibration):
    """Thresholds of a `Calibration` of the scorer of that name, a line and a Markdown table."""
    rows = [["FAR", "threshold", "false accepts", "FAR, 95 %", "accepted of one person, 95 %"]]
    for far in TABLE_FARS:
        threshold, measured = calibration.threshold_at(far)
        row = [f"{far:g}", f"{threshold:.4f}"]
        if measured:
            at = int(np.searchsorted(calibration.far, far * (1 + 1e-9), "right")) - 1
            c = calibration
            row += [
                f"{c.false_accepts[at]:,}",
                f"{c.far_low[at]:.2g} … {c.far_high[at]:.2g}",
                f"{c.tar[at]:.4f} ({c.tar_low[at]:.4f} … {c.tar_high[at]:.4f})",
            ]
        else:
            row += ["extrapolated", "", ""]
        rows.append(row)
    return (
        f"{name}: {calibration.genuine:,} pairs of one person, {calibration.impostors:,} of "
        f"different ones, {calibration.people:,} people\n\n{markdown_table(rows)}"
    )
