"""What is in a TFLite file, and whether its sparse weights are of a kind that is computed right."""

from sparseface_tf.tflite.encoding import BLOCK
from sparseface_tf.tflite.flatbuffer import SPARSE_VERSION, schema

_FLOAT = schema.TensorType.FLOAT32


def check_sparse(file):
    """Refuses sparse weights that LiteRT computes wrongly, or crashes on.

    LiteRT's stock converter writes such files without a word: sparse weights with dynamic ranges
    (wrong numbers, or a crash), sparse weights in float16 (NaN), blocks that do not divide the
    inputs (the last inputs are lost).

    Args:
        file: `File`.

    Raises:
        ValueError: in one line, for the first such tensor.
    """
    for operator in file.operators():
        for slot, place in enumerate(operator.inputs):
            if place < 0 or file.tensor(place).sparsity is None or operator.name == "DENSIFY":
                continue
            reason = _unsound(file, operator, slot, place)
            if reason:
                raise ValueError(
                    f"the sparse weights {file.name(place)} are read by {operator.name}: {reason}"
                )


def _unsound(file, operator, slot, place):
    """Why sparse weights are not computed right by an operator other than DENSIFY; "" if they are."""
    if operator.name != "FULLY_CONNECTED" or slot != 1:
        return "no kernel of it knows sparse weights (float16 weights give NaN so)"
    if file.tensor(place).type != _FLOAT or file.tensor(operator.inputs[0]).type != _FLOAT:
        return "quantised sparse weights are computed wrongly or crash"
    version = file.model.operatorCodes[operator.table.opcodeIndex].version
    if version != SPARSE_VERSION:
        return (
            f"it has version {version}, so XNNPACK takes it for a dense one; sparse weights need "
            f"version {SPARSE_VERSION}"
        )
    encoded = file.sparse(place)
    if encoded.block not in (1, BLOCK):
        return f"there is no kernel for blocks of {encoded.block}"
    if encoded.shape[-1] % encoded.block:
        return f"blocks of {encoded.block} do not divide its {encoded.shape[-1]} inputs"
    return ""


def sparse_weights(file):
    """The sparse weights of a file.

    Args:
        file: `File`.

    Returns:
        Dict from the tensor's name to `Encoded`.
    """
    places = range(len(file.graph.tensors))
    found = {place: file.sparse(place) for place in places}
    return {file.name(place): encoded for place, encoded in found.items() if encoded is not None}


def sizes(file):
    """Where the bytes of a file are.

    Args:
        file: `File`.

    Returns:
        Dict: "values" and "indices" of sparse weights, "dense" constants, "metadata", and "rest",
        the graph itself.
    """
    parts = {"values": 0, "indices": 0, "dense": 0, "metadata": 0}
    buffers = set()
    for place in range(len(file.graph.tensors)):
        buffer, encoded = file.tensor(place).buffer, file.sparse(place)
        if buffer in buffers:
            continue
        buffers.add(buffer)
        if encoded is None:
            parts["dense"] += file.constant_size(place)
        else:
            parts["values"] += encoded.values.nbytes
            parts["indices"] += encoded.segments.nbytes + encoded.indices.nbytes
    for entry in file.model.metadata or []:
        data = file.model.buffers[entry.buffer].data
        parts["metadata"] += 0 if data is None else len(data)
    parts["rest"] = len(file.content()) - sum(parts.values())
    return parts
