"""The dtype policy that trains fastest on this machine."""

import keras


def dtype_policy(precision):
    """Resolves --precision.

    bfloat16 needs no loss scaling and keeps float32's range, so it is preferred wherever the
    hardware multiplies it faster: AMX or AVX-512 BF16 processors, and every accelerator.

    Args:
        precision: a Keras dtype policy, or "auto".

    Returns:
        Name of a Keras dtype policy.
    """
    if precision != "auto":
        return precision
    if any(kind != "CPU" for kind in _device_kinds()):
        return "mixed_bfloat16"
    return "mixed_bfloat16" if {"amx_bf16", "avx512_bf16"} & _cpu_features() else "float32"


def _device_kinds():
    return {name.split(":")[0].upper() for name in keras.distribution.list_devices()}


def _cpu_features():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # not Linux: no telling
        return set()
    return set(flags.split())
