"""Time by operator: no part of a time is below nothing, and together they are the whole."""

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import given
from properties import examples

from sparseface_tf.embedding.litert import time_parts_in_child
from sparseface_tf.export.tflite.build import build
from sparseface_tf.export.tflite.profile import own_times, profile
from sparseface_tf.layers import MaskedConv2D, MaskedDense


@examples(60)
@given(st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=20))
def test_no_operator_takes_less_than_no_time(measured):
    own = own_times(measured)
    assert len(own) == len(measured) and own.min() >= 0
    up_to = np.cumsum(own)
    # The nearest times that do not fall: the same where none does.
    if np.all(np.diff(measured) >= 0):
        np.testing.assert_allclose(up_to, measured, rtol=1e-9)
    assert min(measured) * (1 - 1e-9) <= up_to[0] and up_to[-1] <= max(measured) * (1 + 1e-9)
    # None that do not fall are nearer: neither one constant nor the running maximum.
    distance = np.sum((up_to - measured) ** 2)
    for other in (np.mean(measured), np.maximum.accumulate(measured)):
        assert distance <= np.sum((other - np.asarray(measured)) ** 2) * (1 + 1e-9) + 1e-12


def test_what_seemed_negative_is_shared_with_its_neighbours():
    np.testing.assert_allclose(own_times([1.0, 3.0, 2.9, 4.0]), [1.0, 1.95, 0.0, 1.05])


def test_a_file_part_by_part():
    image = keras.Input((12, 10, 3))
    x = MaskedConv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.MaxPooling2D()(x)
    x = MaskedDense(8, name="feature")(keras.layers.Flatten()(x))
    content, _ = build(keras.Model(image, x), "none", pixels=False, sparse=False, quiet=True)
    rows = profile(content, seconds=0.02)
    assert [name for name, _, _ in rows] == ["CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED"]
    assert all(time >= 0 for *_, time in rows) and sum(time for *_, time in rows) > 0


def test_a_part_that_is_no_file_is_one_line():
    with pytest.raises(ValueError, match="LiteRT") as error:
        time_parts_in_child([b"no file"], 0.01)
    assert "\n" not in str(error.value)
