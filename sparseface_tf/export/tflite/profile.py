"""Where the time of a file goes.

LiteRT's own profiler cannot be reached from Python. The graph is cut behind one operator after the
other, and the times of the parts are subtracted from each other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparseface_tf.embedding.litert import time_parts_in_child
from sparseface_tf.tflite.flatbuffer import File

# These are done when the file is loaded, or do nothing but name things anew.
_FREE = ("DENSIFY", "DEQUANTIZE", "RESHAPE")


def profile(content, seconds=0.5):
    """Times of a file's operators, one thread.

    Args:
        content: the file, bytes.
        seconds: how long each part is measured, on average.

    Returns:
        List of (operator, name of its output, milliseconds), in order; 0 where an operator is too
        short to measure. Together they are the time of the whole file.
    """
    operators = File(content).operators()
    ends = [i for i, op in enumerate(operators) if op.name not in _FREE]
    parts, names = [], []
    for i in ends:
        part = File(content)
        part.cut(i + 1)
        parts.append(part.content())
        names.append((operators[i].name, part.name(operators[i].outputs[0])))
    times = own_times(time_parts_in_child(parts, seconds * len(parts)))
    return [(*name, time) for name, time in zip(names, times.tolist())]


def own_times(measured: Sequence[float]) -> NDArray[np.float64]:
    """Time of each operator, from the times of the graph up to each.

    A graph with one operator more takes no less time; the times of some parts seem to, as a
    measurement is off by more than a pooling takes, and as a part's last map is copied out. So the
    nearest times that do not fall are taken (isotonic regression).

    Args:
        measured: milliseconds of the parts, in order.

    Returns:
        float64 array of the same length, none below 0.
    """
    # Of scikit-learn, which takes a second to import: exports without a comparison do without.
    from sklearn.isotonic import isotonic_regression  # noqa: PLC0415

    times = isotonic_regression(np.asarray(measured, np.float64), y_min=0.0)
    return np.maximum(np.diff(times, prepend=0.0), 0.0)  # but for rounding
