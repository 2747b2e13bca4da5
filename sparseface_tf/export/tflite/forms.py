"""Which form each layer leaves in: chosen from the density of its weights and of their blocks."""

import dataclasses

import keras
import numpy as np

from sparseface_tf.export.tflite.lowering import matrices
from sparseface_tf.sparsify.geometry import layer_geometry
from sparseface_tf.tflite.encoding import BLOCK, count_blocks

# A form that is slower than the fastest one by no more than this is taken if it is smaller.
SLOWER = 1.25


@dataclasses.dataclass(frozen=True)
class Costs:
    """What products cost on a kind of processor. What counts is how they compare with each other.

    Attributes:
        dense, blocks, csr: nanoseconds for a weight of a dense product, for a stored block of four,
            for a stored weight of CSR.
        position: microseconds that every operator of a position costs besides its weights.
        rule: where they are from, for the report.
    """

    dense: float
    blocks: float
    csr: float
    position: float
    rule: str


_X86 = Costs(
    0.045,
    0.75,
    0.75,
    2.4,
    "estimates for x86, from times on one core of a server with AVX-512",
)
# A register of NEON holds 4 floats, one of AVX-512 16, and LiteRT's sparse kernel is 4 wide on both:
# by the width alone a block costs as much as 4.2 dense weights on ARM, not as 17. Under emulation, which
# weighs instructions and tells no speed, it was 6 to 8. 8 is the least in favour of sparse forms. A
# weight of CSR costs as much as a block, as on x86: both wait for one multiply-add after an index.
# The scale is that of x86: a form's time is not one of a phone.
_ARM = dataclasses.replace(
    _X86,
    blocks=8 * _X86.dense,
    csr=8 * _X86.dense,
    rule=(
        "estimates for ARM: a block of four, or a weight of CSR, taken as 8 dense weights; from the "
        "width of NEON and from emulation, not timed on a phone"
    ),
)
TARGETS = {"arm": _ARM, "x86": _X86}


@dataclasses.dataclass(frozen=True)
class Form:
    """A way to compute and to store a dense or locally connected layer.

    Attributes:
        lowering: "layer", "positions" or "batched", see `Product`.
        storage: "blocks" (1 x 4), "csr" or "dense".
        size: bytes of weights and index arrays in the file.
        microseconds: what one image is estimated or was measured to take.
    """

    lowering: str
    storage: str
    size: int
    microseconds: float

    @property
    def title(self):
        """What reports call it."""
        if self.lowering == "batched":
            return "one dense BATCH_MATMUL"
        what = {"blocks": "1x4 blocks", "csr": "CSR", "dense": "dense"}[self.storage]
        each = "one for each position" if self.lowering == "positions" else "one"
        return f"FULLY_CONNECTED, {each}, {what}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """The form of a layer, and why.

    Attributes:
        form: the `Form` taken.
        forms: list of all that were considered.
        weights, kept, blocks: numbers of weights, of those that are not zero, and of blocks of
            four along the inputs that are not all zero.
        how: "measured", or "estimated for" the target.
    """

    form: Form
    forms: list
    weights: int
    kept: int
    blocks: int
    how: str

    @property
    def block_density(self):
        """Share of the blocks of four that are not all zero."""
        return min(1.0, self.blocks * BLOCK / self.weights)

    @property
    def reason(self):
        """What was taken and how its time compares with that of the fastest dense form."""
        dense = dense_form(self.forms)
        if self.form is dense:
            others = [form for form in self.forms if form.storage != "dense"]
            if not others:
                return f"{self.form.title}: all weights are kept, or none"
            dense = min(others, key=lambda form: form.microseconds)
        return (
            f"{self.form.title}: {self.how} {self.form.microseconds:,.1f} µs; {dense.title}: "
            f"{dense.microseconds:,.1f} µs"
        )


def possible_forms(layer, target="arm"):
    """Every `Form` of a layer, with estimates, and its numbers of weights.

    Args:
        layer: dense or locally connected layer.
        target: processor that the estimates are for, of `TARGETS`.

    Returns:
        List of `Form`, number of weights, of those kept, of blocks with any kept.
    """
    geometry, costs = layer_geometry(layer), TARGETS[target]
    weights = int(np.prod(geometry.kernel_shape))
    dense = Form("layer", "dense", 4 * weights, costs.dense * weights / 1e3)
    if geometry.kind == "local":
        dense = dataclasses.replace(dense, lowering="batched")
    forms, lowerings = [dense], ["layer"]
    if geometry.kind == "local":
        lowerings.append("positions")
        extra = costs.position * geometry.positions
        forms.append(Form("positions", "dense", dense.size, dense.microseconds + extra))
    kept = int(np.count_nonzero(keras.ops.convert_to_numpy(layer.kernel)))
    if kept in (0, weights):  # nothing to store sparse, or nothing to leave out
        return forms, weights, kept, -(-kept // BLOCK)
    for lowering in lowerings:
        parts = matrices(layer, lowering)
        blocks = [count_blocks(part, BLOCK) for part in parts]
        if lowering == "layer":
            total = sum(blocks)
        if not min(blocks):  # a product without weights: a constant without values is none
            continue
        extra = costs.position * len(parts) if lowering == "positions" else 0
        for storage, counts, block, cost in (
            ("blocks", blocks, BLOCK, costs.blocks),
            ("csr", [part.nnz for part in parts], 1, costs.csr),
        ):
            size = sum(_size(part, count, block) for part, count in zip(parts, counts))
            forms.append(Form(lowering, storage, size, cost * sum(counts) / 1e3 + extra))
    return forms, weights, kept, total


def choose(forms):
    """The form to take: the smallest of those that are about as fast as the fastest."""
    limit = SLOWER * min(form.microseconds for form in forms)
    return min((form for form in forms if form.microseconds <= limit), key=lambda form: form.size)


def dense_form(forms, quantised=False):
    """The fastest of the dense forms; of those that can be quantised, if they are to be."""
    dense = [form for form in forms if form.storage == "dense"]
    if quantised:  # ai-edge-quantizer has not all ways for BATCH_MATMUL
        dense = [form for form in dense if form.lowering != "batched"]
    return min(dense, key=lambda form: form.microseconds)


def _size(matrix, count, block):
    """Bytes of a matrix that is stored in so many blocks."""
    widest = matrix.shape[1] // block - 1
    segments = (matrix.shape[0] + 1) * _bytes(count)
    return count * (4 * block + _bytes(widest)) + segments


def _bytes(largest):
    return 1 if largest < 1 << 8 else 2 if largest < 1 << 16 else 4
