"""Requests as tensors, and tensors as answers.

Requests are checked here against a signature's inputs: what comes from outside may be anything. All
functions raise ValueError, in one line that names the input.
"""

import base64
import binascii
import dataclasses
import math

import numpy as np
import tensorflow as tf
from kserve import InferOutput
from kserve.protocol.infer_type import to_http_parameters

SIGNATURE = "signature_name"
# How V2 names the types that signatures have.
DATATYPES = {tf.float32: "FP32", tf.string: "BYTES"}
# Crops are (pixel - 127.5) / 128, so within -1 to 1: beyond are pixels that nobody normalised.
CROP_RANGE = 2.0


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
        name: its name.
        dtype: `tf.float32` or `tf.string`.
        shape: of one face, a tuple.
    """

    name: str
    dtype: tf.DType
    shape: tuple

    def described(self):
        """As V2's metadata have it, a dict."""
        return {"name": self.name, "datatype": DATATYPES[self.dtype], "shape": [-1, *self.shape]}

    def example(self):
        """Values of one face that can be computed with: of a black image, an array."""
        if self.dtype == tf.string:
            return np.array([tf.io.encode_png(np.zeros((64, 64, 3), np.uint8)).numpy()], object)
        # Landmarks and boxes within that image; a crop and an embedding may have any values.
        values = np.linspace(1, 32, num=math.prod(self.shape), dtype=np.float32) / 32
        return values.reshape(1, *self.shape) * (32 if len(self.shape) < 3 else 1)

    def checked(self, value):
        """The values of some faces, checked.

        Args:
            value: array (n, *shape) of real numbers, or of bytes.
        """
        if not len(value.shape) or value.shape[1:] != self.shape:
            shape = " x ".join(map(str, value.shape)) or "a single number"
            raise ValueError(f"{self.name}: of shape {shape} where {self._wanted()} is asked for")
        if self.dtype == tf.string:
            if not all(isinstance(content, bytes) for content in value):
                raise ValueError(f"{self.name}: encoded files are asked for, as bytes")
            return value
        # float64 that float32 does not reach becomes infinity, without a word.
        with np.errstate(over="ignore"):
            value = value.astype(np.float32)
        if not np.isfinite(value).all():
            raise ValueError(f"{self.name}: NaN or infinity")
        if len(self.shape) == 3 and value.size and np.abs(value).max() > CROP_RANGE:
            raise ValueError(
                f"{self.name}: values from {value.min():g} to {value.max():g}, where crops are "
                "normalised to -1 to 1: take 127.5 from each pixel and divide by 128"
            )
        return value

    def _wanted(self):
        return " x ".join(["faces", *map(str, self.shape)])


def signature_tensors(function):
    """Inputs and outputs of a signature: two dicts from name to `Tensor`, sorted by name."""
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    return tuple(
        {
            name: Tensor(name, spec.dtype, tuple(spec.shape[1:]))
            for name, spec in sorted(specs.items())
        }
        for specs in (inputs, outputs)
    )


# === V1 ===


def from_instances(body, inputs):
    """The inputs of a V1 request.

    Args:
        body: what the JSON holds: {"instances": [{name: value, …}, …]}, or the values alone where
            there is one input; an encoded file is {"b64": "…"}.
        inputs: dict of `Tensor`.

    Returns:
        Dict from name to array.
    """
    unknown = sorted(set(body) - {"instances", SIGNATURE})
    if unknown:
        raise ValueError(f"{unknown[0][:40]!r} is not known: give instances and {SIGNATURE}")
    instances = body.get("instances")
    if not isinstance(instances, list) or not instances:
        raise ValueError("'instances' must be a list of one or more")
    if len(inputs) == 1 and not all(_is_named(instance, inputs) for instance in instances):
        instances = [{name: instance} for name in inputs for instance in instances]
    for instance in instances:
        if not isinstance(instance, dict) or set(instance) != set(inputs):
            raise ValueError(f"every one of 'instances' must have {' and '.join(inputs)}")
    return {
        name: tensor.checked(_column([instance[name] for instance in instances], tensor))
        for name, tensor in inputs.items()
    }


def to_predictions(outputs):
    """The answer to a V1 request: {"predictions": […]}, an entry a face."""
    if len(outputs) == 1:
        (values,) = outputs.values()
        return {"predictions": values.tolist()}
    names, columns = [*outputs], [values.tolist() for values in outputs.values()]
    return {"predictions": [dict(zip(names, row)) for row in zip(*columns)]}


def _is_named(instance, inputs):
    return isinstance(instance, dict) and set(instance) == set(inputs)


def _column(values, tensor):
    """What JSON has of an input, one entry a face, as an array."""
    if tensor.dtype == tf.string:
        found = np.empty(len(values), object)
        for i, value in enumerate(values):
            if not isinstance(value, dict) or set(value) != {"b64"}:
                raise ValueError(f'{tensor.name}: an encoded file is an object with one key, "b64"')
            found[i] = _decoded(value["b64"], tensor.name)
        return found
    return _numbers(values, tensor.name)


def _numbers(values, name):
    try:
        numbers = np.array(values)
    except ValueError:
        numbers = None
    # Strings, null and ragged lists are none.
    if numbers is None or numbers.dtype.kind not in "iuf":
        raise ValueError(f"{name}: numbers are asked for, in lists of equal lengths")
    return numbers


def _decoded(text, name):
    try:
        # Programs break its lines.
        return base64.b64decode(type(text)().join(text.split()), validate=True)
    except (binascii.Error, AttributeError, TypeError, ValueError):
        raise ValueError(f"{name}: that is not base64") from None


# === V2 ===


def parameters(request):
    """Parameters of a V2 request, a dict, over HTTP and over gRPC."""
    return to_http_parameters(request.parameters or {})


def from_infer_request(request, inputs):
    """The inputs of a V2 request.

    JSON has no bytes: encoded files are sent as binary data, or in base64 by an input with the
    parameter content_type "base64".

    Args:
        request: `kserve.InferRequest`.
        inputs: dict of `Tensor`.

    Returns:
        Dict from name to array.
    """
    given = [tensor.name for tensor in request.inputs]
    if sorted(given) != sorted(inputs):
        raise ValueError(f"the inputs must be {' and '.join(inputs)}, each once")
    return {tensor.name: _of_input(tensor, inputs[tensor.name]) for tensor in request.inputs}


def _of_input(given, tensor):
    wanted = DATATYPES[tensor.dtype]
    if given.datatype != wanted:
        raise ValueError(f"{tensor.name}: datatype {wanted} is asked for")
    if any(not isinstance(side, int) or side < 0 for side in given.shape):
        raise ValueError(f"{tensor.name}: the shape must be numbers from 0")
    try:
        value = given.as_numpy()
    # Of lengths that do not fit, numbers that are none, bytes that are cut short.
    except Exception:
        reason = "the data are not of the shape and datatype stated"
        raise ValueError(f"{tensor.name}: {reason}") from None
    if tensor.dtype == tf.string:
        encoded = to_http_parameters(given.parameters or {}).get("content_type") == "base64"
        if encoded and len(value.shape) == 1:
            value = np.array([_decoded(text, tensor.name) for text in value] + [None], object)[:-1]
    return tensor.checked(value)


def to_infer_outputs(outputs, requested, binary):
    """The outputs of an answer to a V2 request.

    Args:
        outputs: dict from name to array.
        requested: list of `kserve` requested outputs, or None for all.
        binary: whether the data are to be binary.

    Returns:
        List of `kserve.InferOutput`.
    """
    names = [output.name for output in requested] if requested else [*outputs]
    for name in names:
        if name not in outputs:
            raise ValueError(f"there is no output {name[:40]!r}: there are {', '.join(outputs)}")
    found = []
    for name in names:
        found.append(InferOutput(name, list(outputs[name].shape), "FP32"))
        found[-1].set_data_from_numpy(outputs[name], binary_data=binary)
    return found
