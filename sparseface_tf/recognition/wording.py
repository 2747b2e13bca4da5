"""How recognition says what it found: rates, probabilities, who a face is, a calibration."""

import numpy as np

from pipelines.tables import markdown_table
from sparseface_tf.recognition.search import NAMED, PROBABLY, UNKNOWN

TABLE_FARS = (0.1, 0.01, 0.001, 0.0001, 0.00001)
VERDICTS = {
    NAMED: "The same person",
    PROBABLY: "Probably the same person",
    UNKNOWN: "Not recognised as the same person",
}


# Behind "no face", of a photograph that was turned in vain.
NOWHERE = "upright, on either side or upside down; a larger --size finds smaller faces"

_TURNED = {1: "a quarter turn to the left", 2: "half a turn", 3: "a quarter turn to the right"}


def turned(turns):
    """How a photograph was turned before faces were found, by quarter turns to the left."""
    return f"no face as it is; faces were found after {_TURNED[turns]}"


def percent(probability):
    """A probability for people: never quite 0 or 1, with more digits near them."""
    digits = 1 if 0.001 <= probability <= 0.999 else 3
    return f"{100 * np.clip(probability, 0.00001, 0.99999):.{digits}f} %"


def rate(border):
    """The rate of a `Border`, such as "1 in 100", and whether it was extrapolated."""
    return f"1 in {1 / border.far:,.10g}{'' if border.measured else ' (extrapolated)'}"


def faces(count):
    """Such as "1 face" or "1,200 faces"."""
    return "1 face" if count == 1 else f"{count:,} faces"


def answer(match):
    """What a search says of a face, a `Match`, in a line."""
    if match.name is None:
        return "unknown; the gallery is empty"
    start = {NAMED: "", PROBABLY: "probably ", UNKNOWN: "unknown; nearest is "}[match.grade]
    other = f"; or {match.other}, {percent(match.other_probability)}" if match.other else ""
    return f"{start}{match.name}, {percent(match.probability)}, score {match.score:.3f}{other}"


def label(match):
    """The same, short enough for a picture."""
    if match.name is None or match.grade == UNKNOWN:
        return "unknown"
    start = "" if match.grade == NAMED else "probably "
    return f"{start}{match.name} {percent(match.probability)}"


def search_borders(search, scorer):
    """Where the grades of a `Search` with a scorer of that name begin, and what they assume."""
    people, photographs = len(search.people), int(search.people.photographs.sum())
    who = "1 person" if people == 1 else f"{people:,} people"
    return (
        f"Named from {percent(search.named.probability)} on: {rate(search.named)} searches for "
        f"strangers gives a name. Probably from {percent(search.probably.probability)} on: "
        f"{rate(search.probably)}. Beforehand {percent(search.rule.prior)} of faces are taken to be "
        f"in the gallery, {faces(photographs)} of {who}; {scorer}."
    )


def verdict(match):
    """What a search among one person says, without numbers."""
    return VERDICTS[match.grade]


def pair_borders(search, scorer):
    """The same as `search_borders` for two photographs."""
    return (
        f"The same from {percent(search.named.probability)} on: {rate(search.named)} comparisons of "
        f"two people. Probably from {percent(search.probably.probability)} on: "
        f"{rate(search.probably)}. Beforehand {percent(search.rule.prior)}; {scorer}."
    )


def calibration_table(name, scoring):
    """Thresholds of a `Scoring` of that name: for each size of template a line and a table."""
    texts = [_table(name, size, one) for size, one in scoring.calibrations.items()]
    return "\n\n".join(texts)


def _table(name, photographs, calibration):
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
    compared = "two faces" if photographs == 1 else f"a face and a template of {photographs}"
    return (
        f"{name}, {compared}: {calibration.genuine:,} pairs of one person, {calibration.impostors:,} of "
        f"different ones, {calibration.people:,} people\n\n{markdown_table(rows)}"
    )
