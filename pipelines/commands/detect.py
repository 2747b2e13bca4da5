"""Finds faces in photographs and writes their landmarks: python -m pipelines.detect --data=DIR"""

import dataclasses
import os

from pipelines.command_line import (
    check_arguments,
    define_flags,
    from_flags,
    one_line_errors,
    run,
    setting,
)
from pipelines.quiet import import_tensorflow


@dataclasses.dataclass
class Detection:
    """Settings of the command; it has a flag for each, with these texts."""

    data: str = setting("", "Folder of photographs, IDENTITY/IMAGE.")
    size: int = setting(
        640,
        "Side in pixels of the square that photographs are fitted into. Faces below 20 pixels in "
        "it are not found; half of it is about three times as fast.",
    )
    batch: int = setting(16, "Photographs in a batch.")
    sheet: str = setting(
        "", "Contact sheet of the alignment to write; default: alignment.png in DIR."
    )


def detect(settings):
    """Finds the landmarks, draws the contact sheet and prints what was found.

    Args:
        settings: a `Detection`.

    Raises:
        ValueError, OSError: with one line that says what to change.
    """
    if not settings.data:
        raise ValueError("No photographs given: --data=DIR names a folder IDENTITY/IMAGE.")
    # Takes seconds: a wrong flag need not wait for it.
    import_tensorflow()
    try:
        # Packages of an extra that training does without.
        from pipelines.detection.alignment_sheet import alignment_sheet  # noqa: PLC0415
        from pipelines.detection.mtcnn import MtcnnDetector  # noqa: PLC0415
        from pipelines.detection.notes import REPORT  # noqa: PLC0415
        from pipelines.detection.photos import detect_landmarks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package {error.name} is missing: pip install 'sparseface_tf[detect]'"
        ) from None

    counts = detect_landmarks(
        settings.data, MtcnnDetector(os.cpu_count() or 1), size=settings.size, batch=settings.batch
    )
    print(
        f"{counts.photographs:,} photographs: {counts.found:,} with landmarks "
        f"({counts.several:,} of them with several faces), {counts.none:,} without a face, "
        f"{counts.unreadable:,} that cannot be read."
    )
    if counts.several + counts.none + counts.unreadable:
        print(f"{os.path.join(settings.data, REPORT)} names them.")
    sheet = settings.sheet or os.path.join(settings.data, "alignment.png")
    if alignment_sheet(settings.data, sheet):
        print(f"{sheet} shows how they are aligned.")


def main():
    define_flags(Detection)
    run(program, __doc__)


def program(words):
    with one_line_errors(ValueError, OSError, interrupted="the same command goes on from here."):
        check_arguments(words)
        detect(from_flags(Detection))
