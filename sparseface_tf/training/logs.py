"""What a stage has written of its training, cut off at the checkpoint that it goes on from."""

import glob
import json
import os

import tensorflow as tf

from pipelines.files import partial_name, remove_partial, sync_folder, write_atomically


def cut_history(path, step):
    """Removes the lines of later mini-batches from a history.

    Args:
        path: the file, .jsonl; it is made if it is not there.
        step: number of the last mini-batch that is kept.

    Returns:
        The last line that is left, a dict; {} if there is none.
    """
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            # A kill can leave half a line at the end.
            whole = [line for line in file if line.endswith("\n")]
        lines = [line for line in whole if json.loads(line)["step"] <= step]
    write_atomically(path, lambda file: file.write("".join(lines).encode()))
    return json.loads(lines[-1]) if lines else {}


def cut_events(folder, step):
    """Removes the events of later mini-batches from TensorBoard's files.

    Without this its curves would go back and draw the same mini-batches twice.

    Args:
        folder: of the files; it need not be there.
        step: number of the last mini-batch that is kept.
    """
    if os.path.isdir(folder):
        remove_partial(folder)
    for path in glob.glob(os.path.join(glob.escape(folder), "*tfevents*")):
        records, whole = _records(path)
        kept = [each for each in records if tf.compat.v1.Event.FromString(each).step <= step]
        if whole and len(kept) == len(records):
            continue
        temporary = partial_name(path)
        with tf.io.TFRecordWriter(temporary) as writer:
            for record in kept:
                writer.write(record)
        os.replace(temporary, path)
        sync_folder(folder)


def _records(path):
    """The records of a file, and whether it ends with a whole one, as one of a killed run may not."""
    records = []
    try:
        for record in tf.compat.v1.io.tf_record_iterator(path):
            records.append(record)
    except tf.errors.DataLossError:
        return records, False
    return records, True
