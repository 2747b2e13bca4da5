"""Where the time of a file goes.

LiteRT's own profiler cannot be reached from Python. The graph is cut behind one operator after the
other, and the times of the parts are subtracted from each other.
"""

import tqdm

from sparseface_tf.embedding.litert import time_in_child
from sparseface_tf.tflite.flatbuffer import File

# These are done when the file is loaded, or do nothing but name things anew.
_FREE = ("DENSIFY", "DEQUANTIZE", "RESHAPE")


def profile(content, seconds=0.5):
    """Times of a file's operators, one thread.

    Args:
        content: the file, bytes.
        seconds: how long each part is measured.

    Returns:
        List of (operator, name of its output, milliseconds), in order. Errors of neighbours are of
        opposite signs.
    """
    operators = File(content).operators()
    ends = [i for i, op in enumerate(operators) if op.name not in _FREE]
    rows, before = [], 0.0
    for i in tqdm.tqdm(ends, desc="profiling", unit=" operators", leave=False):
        part = File(content)
        part.cut(i + 1)
        now = time_in_child(part.content(), seconds=seconds)["fastest"]
        rows.append((operators[i].name, part.name(operators[i].outputs[0]), now - before))
        before = now
    return rows
