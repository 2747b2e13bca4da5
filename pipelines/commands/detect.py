"""Finds faces in photographs and writes their landmarks: python -m pipelines.detect --data=DIR"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags  # noqa: E402


def run(data, size, batch, sheet):
    """Finds the landmarks, draws the contact sheet and prints what was found."""
    if not data:
        raise ValueError("No photographs given: --data=DIR names a folder IDENTITY/IMAGE.")
    try:
        # Packages of an extra that training does without.
        from pipelines.detection.alignment_sheet import alignment_sheet
        from pipelines.detection.mtcnn import MtcnnDetector
        from pipelines.detection.notes import REPORT
        from pipelines.detection.photos import detect_landmarks
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package {error.name} is missing: pip install 'sparseface_tf[detect]'"
        ) from None

    counts = detect_landmarks(data, MtcnnDetector(), size=size, batch=batch)
    print(
        f"{counts.photographs:,} photographs: {counts.found:,} with landmarks "
        f"({counts.several:,} of them with several faces), {counts.none:,} without a face, "
        f"{counts.unreadable:,} that cannot be read."
    )
    if counts.several + counts.none + counts.unreadable:
        print(f"{os.path.join(data, REPORT)} names them.")
    sheet = sheet or os.path.join(data, "alignment.png")
    if alignment_sheet(data, sheet):
        print(f"{sheet} shows how they are aligned.")


def main(argv):
    values = flags.FLAGS
    try:
        if len(argv) > 1:
            raise ValueError(f"Unknown argument '{argv[1]}': flags begin with --.")
        run(values.data, values.size, values.batch, values.sheet)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command goes on from here.")


def define_flags():
    flags.DEFINE_string("data", "", "Folder of photographs, IDENTITY/IMAGE.")
    flags.DEFINE_integer(
        "size",
        640,
        "Side in pixels of the square that photographs are fitted into. Faces below 20 pixels in "
        "it are not found; half of it is about three times as fast.",
    )
    flags.DEFINE_integer("batch", 16, "Photographs in a batch.")
    flags.DEFINE_string(
        "sheet", "", "Contact sheet of the alignment to write; default: alignment.png in DIR."
    )
