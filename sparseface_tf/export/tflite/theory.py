"""How small a file could be: the weights that are kept, and their places by an ideal code."""

import math

_BITS = {"none": 32, "float16": 16, "dynamic": 8, "int8": 8}


def least_bytes(layers, quantization="none", others=0):
    """The size that no file of the same weights in the same number formats falls below.

    A layer with N weights of which k are kept takes k numbers and log2 C(N, k) bits that say which
    they are; with whole blocks of four, C(N / 4, k / 4). The graph itself is not counted.

    Args:
        layers: list of `Layer`.
        quantization: of convolutions and dense layers, see `quantise`.
        others: number of biases and the like, in float32.

    Returns:
        Bytes, an integer.
    """
    bits = 32 * others
    for layer in layers:
        wide = _BITS[quantization if layer.kind == "conv" or layer.stored == "dense" else "none"]
        bits += layer.kept * wide + _places(layer)
    return math.ceil(bits / 8)


def _places(layer):
    blocks = round(layer.block_density * layer.weights / 4)
    if blocks * 4 == layer.kept:
        return _choices(layer.weights // 4, blocks)
    return _choices(layer.weights, layer.kept)


def _choices(n, k):
    """log2 of the number of ways to choose k of n."""
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)
