"""What --precision=auto chooses on made-up machines."""

import keras
import pytest
import tensorflow as tf

from sparseface_tf.training import precision


@pytest.mark.parametrize(
    "devices, capabilities, features, expected",
    [
        (["cpu:0"], [], {"avx2"}, "float32"),
        (["cpu:0"], [], {"avx512_bf16"}, "mixed_bfloat16"),
        (["cpu:0", "gpu:0"], [(8, 0)], {"avx2"}, "mixed_bfloat16"),
        (["cpu:0", "gpu:0"], [(7, 5)], {"avx512_bf16"}, "mixed_float16"),
        (["cpu:0", "gpu:0", "gpu:1"], [(9, 0), (7, 0)], set(), "mixed_float16"),
        (["cpu:0", "gpu:0"], [(6, 1)], {"amx_bf16"}, "float32"),
        (["cpu:0", "gpu:0"], [None], set(), "float32"),  # tells none, such as AMD's
        (["cpu:0", "tpu:0"], [], set(), "mixed_bfloat16"),
    ],
)
def test_bfloat16_is_chosen_where_the_hardware_has_it(
    monkeypatch, devices, capabilities, features, expected
):
    details = [{"compute_capability": each} if each else {} for each in capabilities]
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: range(len(details)))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details[gpu])
    monkeypatch.setattr(precision, "_cpu_features", lambda: features)
    assert precision.dtype_policy("auto") == expected
    assert precision.dtype_policy("float32") == "float32"
