"""Reading a SavedModel that `signatures.py` wrote, or that somebody else did."""

from __future__ import annotations

import glob
import hashlib
import json
import os

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

DEFAULT = "serving_default"
GRAPH = "saved_model.pb"
# Servers pass these files by.
EXTRA = "assets.extra"
METADATA = os.path.join(EXTRA, "sparseface_tf.json")

# A graph is a program. These operations compute, and do nothing else: none of them reads or
# writes files, reaches a network, or runs Python. Those of all layers and activations of Keras are here.
_COMPUTING = frozenset(
    """
    Abs Add AddN AddV2 All Any ArgMax ArgMin AsString Assert AvgPool AvgPool3D BatchMatMulV2
    BatchToSpaceND BiasAdd BroadcastArgs BroadcastTo Bucketize Cast Ceil ClipByValue Complex
    ComplexAbs ConcatV2 Conj Const Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 Cos
    CropAndResize Cumsum DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePaddedRaw DecodePng
    DecodeRaw DecodeWebP DenseBincount DepthwiseConv2dNative DisableCopyOnRead DivNoNan Einsum
    Elu EnsureShape Equal Erf Erfc Exp ExpandDims Expm1 ExtractJpegShape Fill Floor FloorDiv
    FloorMod FusedBatchNormV3 GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If Imag
    ImageProjectiveTransformV3 IsFinite LeakyRelu LeftShift Less LessEqual Log Log1p LogSoftmax
    LogicalAnd LogicalNot LogicalOr MatMul MatrixDiagPartV3 Max MaxPool MaxPool3D MaxPoolV2
    Maximum Mean Min Minimum MirrorPad Mul Neg NoOp NotEqual OnesLike Pack Pad PadV2
    PartitionedCall Placeholder Pow Prod RFFT Range Rank ReadVariableOp Real RealDiv Reciprocal
    Relu Relu6 Reshape ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2
    RightShift Round Rsqrt ScaleAndTranslate Select SelectV2 Selu Shape ShapeN Sigmoid Sign Sin
    Size Slice Softmax Softplus Softsign SpaceToBatchND Split SplitV Sqrt Square
    SquaredDifference Squeeze StatefulPartitionedCall StatelessIf StatelessRandomGetKeyCounter
    StatelessRandomUniformV2 StatelessWhile StaticRegexFullMatch StopGradient StridedSlice
    StringLength StringToHashBucketFast Sub Substr Sum Tanh TensorListFromTensor
    TensorListGetItem TensorListReserve TensorListSetItem TensorListStack Tile TopKV2 Transpose
    Unpack VarHandleOp Where While Xlogy ZerosLike
    """.split()
)
# Reading and writing variables; outside of everything that can be called.
_SAVING = frozenset(
    """
    AssignVariableOp MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StringJoin
    """.split()
)


def is_saved_model(path):
    """Whether a path is the folder of one version of a SavedModel."""
    return os.path.isfile(os.path.join(path, GRAPH))


def find_version(path):
    """The folder of one version of a SavedModel; None if there is none.

    Args:
        path: that folder; or one with a folder for each version, whose names are integers, of
            which the highest is taken, as a server does.
    """
    if is_saved_model(path):
        return path
    versions = [int(name) for name in versions_in(path)]
    return os.path.join(path, str(max(versions))) if versions else None


def versions_in(path):
    """Names of the version folders in a model's folder, a list of strings."""
    if not os.path.isdir(path):
        return []
    # A server parses names as integers, so 007 is version 7.
    names = [name for name in os.listdir(path) if name.isdecimal() and name == str(int(name))]
    return [name for name in names if is_saved_model(os.path.join(path, name))]


def read_graph(path):
    """The graph and the signatures of a SavedModel: a `MetaGraphDef`.

    Raises:
        ValueError: if it has none.
    """
    saved = saved_model_pb2.SavedModel()
    try:
        with open(os.path.join(path, GRAPH), "rb") as file:
            saved.ParseFromString(file.read())
    except DecodeError:
        raise ValueError(f"its {GRAPH} is broken") from None
    if len(saved.meta_graphs) != 1:
        raise ValueError(f"its {GRAPH} has {len(saved.meta_graphs)} graphs, not 1")
    return saved.meta_graphs[0]


def check_operations(graph):
    """Makes sure that nothing in a graph does more than compute.

    Args:
        graph: `MetaGraphDef`.

    Raises:
        ValueError: with the first operation that might.
    """
    functions = {
        function.signature.name: function.node_def for function in graph.graph_def.library.function
    }
    for nodes in [graph.graph_def.node, *functions.values()]:
        for node in nodes:
            if node.op not in _COMPUTING | _SAVING and node.op not in functions:
                raise ValueError(f"it does more than compute: operation {node.op}")
    # What is called when the file is opened or a signature is run. Without functions it is of
    # TensorFlow 1, whose graph runs as a whole.
    called = [*graph.object_graph_def.concrete_functions]
    if not called:
        raise ValueError("it is not of TensorFlow 2")
    seen = set()
    while called:
        name = called.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in functions[name]:
            if node.op in _SAVING:
                raise ValueError(f"it does more than compute: operation {node.op} in {name}")
            called.append(node.op)
            for value in node.attr.values():
                called += [value.func.name, *(part.name for part in value.list.func)]


def check_without_masks(path, graph):
    """Makes sure that a SavedModel holds weights and nothing that only training needs.

    Masks are the only booleans of a network, and states of random numbers and of optimizers its
    only integers.

    Args:
        path: the SavedModel.
        graph: its `MetaGraphDef`.

    Raises:
        ValueError: with the first variable, or constant, that is no weight.
    """
    saved = tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
    kinds = dict(saved.get_variable_to_dtype_map())
    kinds.pop("_CHECKPOINTABLE_OBJECT_GRAPH", None)
    definition = graph.graph_def
    for node in definition.node:
        if node.op == "VarHandleOp":
            kinds[node.name] = tf.dtypes.as_dtype(node.attr["dtype"].type)
    for name, kind in kinds.items():
        if not kind.is_floating:
            raise ValueError(f"variable {name} is of type {kind.name}: it is no weight")
    functions = [function.node_def for function in definition.library.function]
    for nodes in [definition.node, *functions]:
        for node in nodes:
            if node.op == "Const" and node.attr["dtype"].type == tf.bool.as_datatype_enum:
                shape = node.attr["value"].tensor.tensor_shape
                if np.prod([side.size for side in shape.dim]) > 64:
                    raise ValueError(f"constant {node.name} holds a mask")


def digest(path):
    """SHA-256 of what a SavedModel computes: its graph and its variables. A hash object."""
    names = [GRAPH, *sorted(glob.glob("variables/*", root_dir=path))]
    found = hashlib.sha256()
    for name in names:
        with open(os.path.join(path, name), "rb") as file:
            found.update(file.read())
    return found


def metadata(path):
    """What the file says of itself, a dict; None if it says nothing.

    Raises:
        ValueError: if that is no JSON.
    """
    try:
        with open(os.path.join(path, METADATA), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


class SavedModelNetwork:
    """A SavedModel in the place of a Keras model that embeds.

    Args:
        path: folder of one version.

    Attributes:
        signatures: dict from name to function of named tensors to a dict of tensors.
        graph: the `MetaGraphDef`.
        input_shape, output_shape: of the network, like a Keras model's.

    Raises:
        ValueError: if it cannot be loaded, does more than compute, or is no network from an image
            to an embedding.
    """

    def __init__(self, path):
        self.graph = read_graph(path)
        check_operations(self.graph)
        # Kept: what it holds would be gone with it.
        self._model = tf.saved_model.load(os.fspath(path))
        self.signatures = self._model.signatures
        if DEFAULT not in self.signatures:
            raise ValueError(f"it has no signature {DEFAULT}")
        self._run = self.signatures[DEFAULT]
        inputs, outputs = self._run.structured_input_signature[1], self._run.structured_outputs
        if [*inputs] != ["image"] or [*outputs] != ["embedding"]:
            raise ValueError(
                f"its signature maps {', '.join(inputs)} to {', '.join(outputs)}, not image to "
                "embedding"
            )
        self.input_shape = tuple(inputs["image"].shape)
        self.output_shape = tuple(outputs["embedding"].shape)

    def predict_on_batch(self, images):
        """Features, float32 (n, features), of images (n, height, width, channels)."""
        images = tf.constant(np.asarray(images, np.float32))
        return self._run(image=images)["embedding"].numpy()
