"""Writes faces as sharded records: python -m pipelines.write_records --data=DIR --output=RECORDS"""

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
from pipelines.records.encodings import ENCODINGS


@dataclasses.dataclass
class Records:
    """Settings of the command; it has a flag for each, with these texts."""

    data: str = setting("", "Faces to write, named as for train.py.")
    output: str = setting("", "Folder of the records.")
    exclude: str = setting("", "File that names images to leave out, one a line.")
    images_per_shard: int = setting(2048, "About as many images a shard.")
    group: int = setting(2, "About as many images of an identity stand together.")
    seed: int = setting(0, "Seed of the order.")
    encoding: str = setting(
        "faces",
        f"{' or '.join(ENCODINGS)}: keep what is near each face, or the files as they are.",
    )
    verify: bool = setting(False, "Only compare the shards in --output with their checksums.")

    def check(self):
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not self.output:
            raise ValueError("No folder of records: give --output=RECORDS.")
        if not self.data and not self.verify:
            raise ValueError("No faces: give --data, named as for train.py.")
        if self.encoding not in ENCODINGS:
            raise ValueError(f"--encoding={self.encoding}: choose from {', '.join(ENCODINGS)}.")


def verify(folder):
    """Compares the shards of a folder with their checksums.

    Raises:
        ValueError, OSError: if any is damaged, in one line.
    """
    # With TensorFlow, which a wrong flag need not wait for.
    from pipelines.records import verify_records  # noqa: PLC0415

    damaged = verify_records(folder)
    if damaged:
        raise ValueError(
            f"{len(damaged)} shards are damaged: {', '.join(damaged)}. Copy them again, or "
            "write the records into another folder."
        )
    print(f"{folder} is as it was written.")


def write(settings):
    """Writes faces as records, and beside them the list of those that cannot be read.

    Args:
        settings: a `Records`.

    Raises:
        ValueError, OSError: with one line that says what to change.
    """
    # They take seconds: a wrong flag need not wait for them.
    tf = import_tensorflow()

    from pipelines.inspection import check_images  # noqa: PLC0415
    from pipelines.records import RecordFaces, write_records  # noqa: PLC0415
    from pipelines.sources import open_faces  # noqa: PLC0415

    output = settings.output
    faces = open_faces(settings.data)
    tf.io.gfile.makedirs(os.path.dirname(output.rstrip("/")) or ".")
    bad_images = output.rstrip("/") + ".bad_images.txt"
    faces = check_images(faces, bad_images, exclude=settings.exclude)
    write_records(
        faces,
        output,
        images_per_shard=settings.images_per_shard,
        group=settings.group,
        seed=settings.seed,
        encoding=settings.encoding,
    )
    records = RecordFaces(output)
    print(
        f"{len(records)} images of {len(records.identities)} identities in "
        f"{len(records.shards)} shards: train with --data={output}"
    )


def main():
    define_flags(Records)
    run(program, __doc__)


def program(words):
    end = "the same command goes on with the next shard."
    with one_line_errors(ValueError, OSError, interrupted=end):
        check_arguments(words)
        settings = from_flags(Records)
        settings.check()
        # Takes seconds: a wrong flag need not wait for it.
        tf = import_tensorflow()
    with one_line_errors(ValueError, OSError, tf.errors.OpError, interrupted=end):
        if settings.verify:
            verify(settings.output)
        else:
            write(settings)
