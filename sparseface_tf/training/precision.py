"""The dtype policy that trains fastest on this machine."""

import keras
import tensorflow as tf


def dtype_policy(precision):
    """Resolves --precision.

    bfloat16 needs no loss scaling and keeps float32's range, so it is preferred wherever the
    hardware multiplies it faster: AMX or AVX-512 BF16 processors, TPUs, and GPUs of NVIDIA from
    compute capability 8.0. Those from 7.0 multiply float16 faster; others are given float32.

    Args:
        precision: a Keras dtype policy, or "auto".

    Returns:
        Name of a Keras dtype policy.
    """
    if precision != "auto":
        return precision
    kinds = {device.split(":")[0].upper() for device in keras.distribution.list_devices()} - {"CPU"}
    if "GPU" in kinds:
        capability = min(_compute_capabilities(), default=(0, 0))
        return next(name for least, name in _BY_CAPABILITY if capability >= least)
    if kinds or {"amx_bf16", "avx512_bf16"} & _cpu_features():
        return "mixed_bfloat16"
    return "float32"


_BY_CAPABILITY = [((8, 0), "mixed_bfloat16"), ((7, 0), "mixed_float16"), ((0, 0), "float32")]


def _compute_capabilities():
    """Compute capabilities of the GPUs, (major, minor); (0, 0) of one that tells none."""
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415, optional

        versions = (getattr(device, "compute_capability", None) for device in jax.devices())
        return [tuple(map(int, str(version or "0.0").split("."))) for version in versions]
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [each.get("compute_capability", (0, 0)) for each in details]


def _cpu_features():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # not Linux: no telling
        return set()
    return set(flags.split())
