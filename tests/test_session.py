"""Graphs of a run that is over."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from sparseface_tf.training.session import own_session


def graphs():
    gc.collect()
    return {id(one): weakref.ref(one) for one in gc.get_objects() if isinstance(one, FuncGraph)}


@own_session()
def fit():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse", jit_compile=False)
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)


def test_the_graphs_of_a_run_are_freed():
    fit()
    before = graphs()
    for _ in range(2):
        fit()
    keras.backend.clear_session()
    assert len(graphs()) <= len(before)


def test_gradients_from_before_are_kept_and_errors_pass():
    @tf.custom_gradient
    def halved(x):
        return x / 2, lambda upstream: upstream * 7

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = inner(x)
        return tape.gradient(y, x)

    inner = tf.function(halved)
    x = tf.constant(1.0)
    inner(x)
    with pytest.raises(ValueError, match="mine"), own_session():
        inner(tf.constant([1.0]))
        raise ValueError("mine")
    assert slope(x) == 7
