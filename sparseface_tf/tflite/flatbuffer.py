"""TFLite files, read and changed as the flatbuffers that they are.

LiteRT's schema is the description: https://ai.google.dev/edge/litert has `schema.fbs`, the
package ai-edge-litert the classes made of it, whose names end in T here.
"""

import dataclasses
import json

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from sparseface_tf.tflite.encoding import Encoded

# Sparse weights came into FULLY_CONNECTED with its version 8. XNNPACK leaves such an operator to
# the kernel that knows them, and knows it by this very number.
SPARSE_VERSION = 8

_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT64: np.int64,
}
_OPERATORS = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
_VECTORS = {
    np.dtype(np.uint8): (schema.SparseIndexVector.Uint8Vector, schema.Uint8VectorT),
    np.dtype(np.uint16): (schema.SparseIndexVector.Uint16Vector, schema.Uint16VectorT),
    np.dtype(np.int32): (schema.SparseIndexVector.Int32Vector, schema.Int32VectorT),
}


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of the graph.

    Attributes:
        name: such as "CONV_2D".
        inputs, outputs: places of its tensors, -1 for one that is left out.
        table: the `OperatorT`.
    """

    name: str
    inputs: list
    outputs: list
    table: object


class File:
    """A TFLite file with one graph.

    Args:
        content: bytes.

    Raises:
        ValueError: if it is no such file.
    """

    def __init__(self, content):
        if bytes(content[4:8]) != b"TFL3":
            raise ValueError("not a TFLite file")
        self.model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
        if len(self.model.subgraphs) != 1:
            raise ValueError(f"a TFLite file with {len(self.model.subgraphs)} graphs, not one")
        self.graph = self.model.subgraphs[0]

    def content(self):
        """The file, bytes, without the constants that nothing refers to any more."""
        users = [*self.graph.tensors, *(self.model.metadata or [])]
        # The first one is empty by convention, for tensors without values.
        used = sorted({0, *(user.buffer for user in users)})
        self.model.buffers = [self.model.buffers[place] for place in used]
        for user in users:
            user.buffer = used.index(user.buffer)
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.model))

    # === Reading ===

    def operators(self):
        """List of `Operator`, in the order in which they run."""
        codes = [flatbuffer_utils.get_builtin_code_from_operator_code(code)
                 for code in self.model.operatorCodes]  # fmt: skip
        return [
            Operator(_OPERATORS[codes[op.opcodeIndex]], list(op.inputs), list(op.outputs), op)
            for op in self.graph.operators
        ]

    def tensor(self, place):
        """The `TensorT` at a place."""
        return self.graph.tensors[place]

    def name(self, place):
        """Name of a tensor."""
        return self.tensor(place).name.decode("utf-8")

    def shape(self, place):
        """Shape of a tensor, a tuple."""
        shape = self.tensor(place).shape
        return () if shape is None else tuple(int(n) for n in shape)

    def constant(self, place):
        """Values of a dense constant, an array; None for what is computed or sparse."""
        tensor = self.tensor(place)
        data = self.model.buffers[tensor.buffer].data
        if data is None or len(data) == 0 or tensor.sparsity is not None:
            return None
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), _TYPES[tensor.type])
        return values.reshape(self.shape(place))

    def sparse(self, place):
        """A sparse constant as `Encoded`; None for other tensors.

        Raises:
            ValueError: if it is of a format that `encode` does not write.
        """
        tensor = self.tensor(place)
        if tensor.sparsity is None:
            return None
        sparsity, rank = tensor.sparsity, len(self.shape(place))
        dims = sparsity.dimMetadata
        blocked = 0 if sparsity.blockMap is None else len(sparsity.blockMap)
        formats = [dim.format for dim in dims]
        csr = schema.DimensionType.SPARSE_CSR
        expected = [0] * (rank - 1) + [csr] + [0] * blocked
        if formats != expected or list(sparsity.traversalOrder) != [*range(rank + blocked)]:
            raise ValueError(f"tensor {self.name(place)} is sparse in an unknown way")
        data = np.asarray(self.model.buffers[tensor.buffer].data, np.uint8).tobytes()
        return Encoded(
            self.shape(place),
            int(dims[-1].denseSize) if blocked else 1,
            _numbers(dims[rank - 1].arraySegmentsType, dims[rank - 1].arraySegments),
            _numbers(dims[rank - 1].arrayIndicesType, dims[rank - 1].arrayIndices),
            np.frombuffer(data, _TYPES[tensor.type]),
        )

    def constant_size(self, place):
        """Bytes that a tensor's constant takes in the file, index arrays included."""
        data = self.model.buffers[self.tensor(place).buffer].data
        size = 0 if data is None else len(data)
        encoded = self.sparse(place)
        return size + (encoded.segments.nbytes + encoded.indices.nbytes if encoded else 0)

    def inputs(self):
        """Places of the graph's inputs by name, a dict."""
        return {self.name(place): place for place in map(int, self.graph.inputs)}

    # === Changing ===

    def bind(self, name, constant):
        """Makes an input of the graph a constant.

        Args:
            name: of the input.
            constant: array, or `Encoded`, of its shape.
        """
        place = self.inputs()[name]
        if tuple(constant.shape) != self.shape(place):
            raise ValueError(f"{name} has shape {self.shape(place)}, not {constant.shape}")
        self.graph.inputs = [i for i in self.graph.inputs if i != place]
        self.set_constant(place, constant)

    def set_constant(self, place, constant):
        """Gives a tensor its values, an array or `Encoded` of its shape and type."""
        tensor = self.tensor(place)
        values, tensor.sparsity = constant, None
        if isinstance(constant, Encoded):
            values, tensor.sparsity = constant.values, _sparsity(constant)
            for operator in self.operators():
                if operator.name == "FULLY_CONNECTED" and operator.inputs[1] == place:
                    operator.table.opcodeIndex = self._code("FULLY_CONNECTED", SPARSE_VERSION)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        # Not the old buffer: equal constants share theirs.
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1

    def densify(self, place, encoded, name):
        """Stores a constant sparse that is expanded when the file is loaded.

        Args:
            place: of the dense constant; its readers get what DENSIFY makes of the sparse one.
            encoded: `Encoded` of its shape and type.
            name: of the sparse tensor.
        """
        dense = self.tensor(place)
        stored = schema.TensorT()
        vars(stored).update(vars(dense))
        stored.name = name.encode("utf-8")
        self.graph.tensors.append(stored)
        self.set_constant(len(self.graph.tensors) - 1, encoded)
        dense.buffer = 0  # by convention empty
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code("DENSIFY", 1)
        operator.inputs, operator.outputs = [len(self.graph.tensors) - 1], [place]
        operator.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
        operator.builtinOptions = schema.DensifyOptionsT()
        self.graph.operators.insert(0, operator)

    def cut(self, count):
        """Leaves only the first operators of the graph, whose last one then is the output."""
        self.graph.operators = self.graph.operators[:count]
        self.graph.outputs = list(self.graph.operators[-1].outputs)
        self.model.signatureDefs = []

    def sign(self, inputs, outputs, key="serving_default"):
        """Gives inputs and outputs their names, dicts from a name to a place."""
        signature = schema.SignatureDefT()
        signature.signatureKey = key
        signature.subgraphIndex = 0
        for field, names in (("inputs", inputs), ("outputs", outputs)):
            maps = []
            for name, place in names.items():
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = name, place
                maps.append(entry)
                self.tensor(place).name = name.encode("utf-8")
            setattr(signature, field, maps)
        self.model.signatureDefs = [signature]

    def describe(self, text):
        """Sets what the file says about itself to people."""
        self.model.description = text

    def set_metadata(self, name, value):
        """Puts a value that JSON holds into the file; LiteRT passes over it."""
        self.model.metadata = [m for m in self.model.metadata or [] if _text(m.name) != name]
        buffer = schema.BufferT()
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        buffer.data = np.frombuffer(text.encode("utf-8"), np.uint8)
        self.model.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(self.model.buffers) - 1
        self.model.metadata.append(entry)

    def metadata(self, name):
        """The value that `set_metadata` put there; None if there is none.

        Raises:
            ValueError: if it is no JSON.
        """
        for entry in self.model.metadata or []:
            if _text(entry.name) == name:
                data = np.asarray(self.model.buffers[entry.buffer].data, np.uint8)
                return json.loads(data.tobytes().decode("utf-8"))
        return None

    def _code(self, name, version):
        """Place of an operator's code in the file's table, which it enters if need be."""
        builtin = getattr(schema.BuiltinOperator, name)
        for place, code in enumerate(self.model.operatorCodes):
            found = flatbuffer_utils.get_builtin_code_from_operator_code(code)
            if (found, code.version) == (builtin, version):
                return place
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        # Readers of old look here, as far as a byte goes.
        code.deprecatedBuiltinCode = min(builtin, 127)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def _sparsity(encoded):
    rank, blocked = len(encoded.shape), encoded.block > 1
    table = schema.SparsityParametersT()
    table.traversalOrder = list(range(rank + blocked))
    table.blockMap = [rank - 1] if blocked else []
    table.dimMetadata = []
    for size in (*encoded.shape[:-1], None, *([encoded.block] if blocked else [])):
        dim = schema.DimensionMetadataT()
        dim.format = schema.DimensionType.DENSE
        dim.denseSize = size or 0
        if size is None:
            dim.format = schema.DimensionType.SPARSE_CSR
            dim.arraySegmentsType, dim.arraySegments = _vector(encoded.segments)
            dim.arrayIndicesType, dim.arrayIndices = _vector(encoded.indices)
        table.dimMetadata.append(dim)
    return table


def _vector(numbers):
    kind, table = _VECTORS[numbers.dtype]
    vector = table()
    vector.values = numbers
    return kind, vector


def _numbers(kind, table):
    (dtype,) = (dtype for dtype, (known, _) in _VECTORS.items() if known == kind)
    return np.asarray([] if table.values is None else table.values, dtype)


def _text(name):
    return name.decode("utf-8") if isinstance(name, bytes) else name
