"""What a better order of the inputs would save where a mask was not drawn in blocks.

    python benchmarks/block_order.py --model=runs/faces

LiteRT computes with blocks of four neighbouring inputs. Which inputs are neighbours is free: the maps
of the layer below may change places, everywhere in the same way if it is a convolution, at each
position in its own way if it is locally connected. Here inputs that are kept by the same neurons are
brought together, four by four, greedily: the most used one, and the three that share the most neurons
with it. Prints how many weights are then in a block, and the bytes of the weights as blocks and as CSR.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import scipy.sparse
from absl import app, flags

from pipelines.tables import markdown_table
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.tflite.lowering import matrices, products
from sparseface_tf.sparsify import layer_kind
from sparseface_tf.tflite.encoding import BLOCK, encode

MODEL = flags.DEFINE_string("model", "runs/faces", "As for export.py.")


def better_order(shared):
    """Order of inputs that brings together those that share many neurons.

    Args:
        shared: array (inputs, inputs), in how many neurons both are kept; on the diagonal, each.

    Returns:
        Permutation, integer array (inputs,).
    """
    order, left = [], np.ones(len(shared), bool)
    used = np.diag(shared)
    while left.any():
        first = int(np.argmax(np.where(left, used, -1)))
        left[first] = False
        group = [first]
        while len(group) < BLOCK and left.any():
            nearest = int(np.argmax(np.where(left, shared[group].sum(0), -1)))
            left[nearest] = False
            group.append(nearest)
        order += group
    return np.array(order)


def reordered(matrix, maps, everywhere):
    """The matrix (outputs, positions * maps) with its inputs in a better order."""
    kept = scipy.sparse.csc_array((matrix != 0).astype(np.float32))
    parts = [kept[:, i : i + maps] for i in range(0, matrix.shape[1], maps)]
    shared = [(part.T @ part).toarray() for part in parts]
    if everywhere:
        orders = [better_order(sum(shared))] * len(parts)
    else:
        orders = [better_order(one) for one in shared]
    columns = np.concatenate([i * maps + order for i, order in enumerate(orders)])
    return scipy.sparse.csr_array(scipy.sparse.csc_array(matrix)[:, columns])


def main(_):
    network = in_float32(open_embedder(MODEL.value).network)
    layers = products(network)
    table = [["layer", "weights", "in a block", "…in a better order", "MB as blocks",
              "…in a better order", "MB as CSR"]]  # fmt: skip
    below = "conv"
    for name, layer in layers.items():
        (matrix,) = matrices(layer, "layer")
        maps = layer.input.shape[-1]
        if layer_kind(layer) == "dense":  # on maps that were flattened
            maps = network.get_layer([*layers][[*layers].index(name) - 1]).output.shape[-1]
        if matrix.nnz < np.prod(layer.kernel.shape) / 2 and maps % BLOCK == 0:
            forms = matrix, reordered(matrix, maps, below == "conv")
            blocks = [encode(form, BLOCK) for form in forms]
            assert blocks[1].values.any() and np.isclose(blocks[0].values.sum(), blocks[1].values.sum())
            each = [matrix.nnz / len(one.indices) for one in blocks]
            sizes = [one.size / 1e6 for one in (*blocks, encode(matrix))]
            table.append([name, f"{matrix.nnz:,}", *(f"{n:.2f}" for n in each),
                          *(f"{size:.3f}" for size in sizes)])  # fmt: skip
        below = layer_kind(layer)
    print(markdown_table(table))


if __name__ == "__main__":
    app.run(main)
