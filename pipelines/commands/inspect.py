"""Reports on a data set: python -m pipelines.inspect --data=DIR [--test_data=LFW]

Counts, landmarks that cannot be right, photographs that are there twice, and what the set has in
common with the one that is tested on. Into --output go report.md (which is printed), report.json,
plots.png, duplicates.png and exclude.txt: a line for each image that should be left out of
training, its name, a tab, the reason.
"""

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
from pipelines.inspection.duplicates import DISTANCE
from pipelines.quiet import import_tensorflow


@dataclasses.dataclass
class Inspection:
    """Settings of the command; it has a flag for each, with these texts."""

    data: str = setting("", "Faces, named as for train.py.")
    test_data: str = setting("", "The same of the set that is tested on.")
    output: str = setting("runs/inspect", "Folder for what is found.")
    distance: int = setting(
        DISTANCE, "Bits of 512 in which two pictures of one photograph may differ."
    )

    def check(self):
        """Raises ValueError or OSError, in one line, on the first setting that makes no sense."""
        if not self.data:
            raise ValueError("No faces: give --data, named as for train.py.")
        if not 0 <= self.distance < 256:
            raise ValueError(f"The distance must be 0 to 255 bits, got {self.distance}.")
        if os.path.exists(self.output) and not os.path.isdir(self.output):
            raise NotADirectoryError(f"{self.output} is no folder: give another --output.")


def main():
    define_flags(Inspection)
    run(program, __doc__)


def program(words):
    end = "nothing was written."
    with one_line_errors(ValueError, OSError, interrupted=end):
        check_arguments(words)
        given = from_flags(Inspection)
        given.check()
        # Takes seconds: a wrong flag need not wait for it.
        tf = import_tensorflow()
        from pipelines.inspection.reporting import inspect  # noqa: PLC0415
    with one_line_errors(ValueError, OSError, tf.errors.OpError, interrupted=end):
        print(inspect(given.data, given.test_data, given.output, distance=given.distance), end="")
