"""Convolutions in float16 or int8, the sparse layers left as they are.

The converter's own quantisation does not know sparse weights: with dynamic ranges such a file
computes something else, or does not load; with float16 it gives NaN. ai-edge-quantizer, told which
operators to touch, leaves the others alone.
"""

import contextlib
import io
import re

import numpy as np

from sparseface_tf.export.network import IMAGE
from sparseface_tf.tflite.flatbuffer import File

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
# Behind a quantised convolution these would force its maps back to float. (PRELU does: the tool
# does not know it.)
_BEHIND = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "PAD", "ADD", "MUL", "SUB")


def quantise(content, quantization, images=None):
    """Quantises the convolutions of a file, and fully connected layers whose weights are dense.

    Args:
        content: the float file, bytes, its sparse weights in place, with a signature.
        quantization: "none"; "float16" for weights of half the size, computed with in float32;
            "dynamic" for weights in int8 with one scale a map, the maps' being found as it runs;
            "int8" for weights and maps in int8, the maps' scales from images.
        images: for "int8", array (n, height, width, channels) as the file takes them.

    Returns:
        The file, bytes.
    """
    if quantization == "none":
        return content
    # A large package of an extra, which most exports do without.
    from ai_edge_quantizer import qtyping, quantizer  # noqa: PLC0415

    tool = quantizer.Quantizer(bytearray(content))
    for operator, regex in _touched(File(content), quantization):
        if quantization == "float16":
            weights = qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            )
            tool.update_quantization_recipe(
                regex,
                operator,
                qtyping.OpQuantizationConfig(
                    weight_tensor_config=weights,
                    compute_precision=qtyping.ComputePrecision.FLOAT,
                    explicit_dequantize=True,
                ),
                algorithm_key="float_casting",
            )
        elif quantization == "dynamic":
            tool.add_dynamic_config(regex, operator, 8)
        else:
            tool.add_static_config(regex, operator, 8, 8)
    # It prints what it does, and draws bars.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        ranges = None
        if tool.need_calibration:
            batches = [{IMAGE: np.asarray(image)[None]} for image in images]
            ranges = tool.calibrate({"serving_default": batches}, num_threads=1)
        result = tool.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _touched(file, quantization):
    """(operator, pattern of its output's name) of all operators to be quantised."""
    found, maps = [], set()
    for operator in file.operators():
        quantised = operator.name in _CONVOLUTIONS
        if operator.name == "FULLY_CONNECTED":
            quantised = file.constant(operator.inputs[1]) is not None
        if operator.name in _BEHIND and quantization == "int8":
            computed = [i for i in operator.inputs if i >= 0 and file.constant(i) is None]
            quantised = maps.issuperset(computed)
        if quantised:
            maps.update(operator.outputs)
            # The tool looks for the pattern in the names of all outputs, joined.
            name = re.escape(file.name(operator.outputs[0]))
            found.append((operator.name, f"^{name};?$"))
    return found
