"""Training one network after another in one process."""

import contextlib
import gc

import keras
from tensorflow.python.framework import ops


@contextlib.contextmanager
def own_session():
    """A Keras session for one run, whose graphs are freed when the run is over.

    TensorFlow registers a gradient for every `tf.custom_gradient` in a graph, and Keras' optimizers
    have one. The registry lives as long as the process and holds the whole graph, some 100 MB for
    a network (github.com/tensorflow/tensorflow/issues/97697). What a run has registered is
    forgotten at its end; the next run's beginning collects the graphs.
    """
    keras.backend.clear_session()
    gc.collect()
    # Not of TensorFlow's public interface: without it there is the leak, and no more.
    registry = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    before = set(registry)
    try:
        yield
    finally:
        for name in set(registry) - before:
            if name.startswith("CustomGradient-"):
                del registry[name]
