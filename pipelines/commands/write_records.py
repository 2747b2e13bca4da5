"""The command that writes records: python -m pipelines.write_records --data=DIR --output=RECORDS"""

import os
import sys

import tensorflow as tf
from absl import flags

from pipelines.inspection.checking import check_images
from pipelines.records.reading import RecordFaces
from pipelines.records.writing import ENCODINGS, verify_records, write_records
from pipelines.sources import open_faces


def main(argv):
    """The command; flags are defined where it is run as one."""
    flag = flags.FLAGS
    try:
        if len(argv) > 1:
            raise ValueError(f"Unknown argument '{argv[1]}': flags begin with --.")
        if flag.verify:
            damaged = verify_records(flag.output)
            if damaged:
                raise ValueError(
                    f"{len(damaged)} shards are damaged: {', '.join(damaged)}. Copy them again, or "
                    "write the records into another folder."
                )
            print(f"{flag.output} is as it was written.")
            return
        faces = open_faces(flag.data)
        tf.io.gfile.makedirs(os.path.dirname(flag.output.rstrip("/")) or ".")
        bad_images = flag.output.rstrip("/") + ".bad_images.txt"
        faces = check_images(faces, bad_images, exclude=flag.exclude)
        write_records(
            faces,
            flag.output,
            images_per_shard=flag.images_per_shard,
            group=flag.group,
            seed=flag.seed,
            encoding=flag.encoding,
        )
        records = RecordFaces(flag.output)
        print(
            f"{len(records)} images of {len(records.identities)} identities in "
            f"{len(records.shards)} shards: train with --data={flag.output}"
        )
    except (ValueError, OSError, tf.errors.OpError) as error:
        sys.exit(f"error: {str(error).splitlines()[0]}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command goes on with the next shard.")


def define_flags():
    flags.DEFINE_string("data", None, "Faces to write, named as for train.py.")
    flags.DEFINE_string("output", None, "Folder of the records.", required=True)
    flags.DEFINE_string("exclude", "", "File that names images to leave out, one a line.")
    flags.DEFINE_integer("images_per_shard", 2048, "About as many images a shard.")
    flags.DEFINE_integer("group", 2, "About as many images of an identity stand together.")
    flags.DEFINE_integer("seed", 0, "Seed of the order.")
    flags.DEFINE_enum(
        "encoding", "faces", ENCODINGS, "Keep what is near each face, or the files as they are."
    )
    flags.DEFINE_bool("verify", False, "Only compare the shards in --output with their checksums.")
