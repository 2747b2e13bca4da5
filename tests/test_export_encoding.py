"""The sparse formats, and TFLite files read and written."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.embedding.litert import run_in_child
from sparseface_tf.export.layer import Layer
from sparseface_tf.export.tflite.theory import least_bytes
from sparseface_tf.tflite.encoding import count_blocks, decode, encode
from sparseface_tf.tflite.flatbuffer import File
from sparseface_tf.tflite.inspection import check_sparse, sizes, sparse_weights


def sparse_array(generator, shape, density, block, dtype=np.float32):
    """Values of which whole blocks of the last axis are zero, and some more."""
    values = generator.integers(-100, 100, shape).astype(dtype)
    keep = generator.random((*shape[:-1], -(-shape[-1] // block))) < density
    return values * np.repeat(keep, block, -1)[..., : shape[-1]].astype(dtype)


@examples(60)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(1, 80),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([1, 4]),
    st.sampled_from([np.float32, np.float16, np.int8]),
)
def test_decoding_inverts_encoding(seed, rows, width, density, block, dtype):
    shape = (*rows, width * block)
    values = sparse_array(np.random.default_rng(seed), shape, density, 4, dtype)
    encoded = encode(values.reshape(-1, shape[-1]), block, shape)
    np.testing.assert_array_equal(decode(encoded), values)
    assert encoded.values.dtype == dtype

    # Naively: a block is stored where any of its weights is not zero.
    blocks = values.reshape(-1, width, block).any(-1)
    assert len(encoded.values) == blocks.sum() * block
    assert encoded.segments.tolist() == [0, *np.cumsum(blocks.sum(1))]
    assert encoded.indices.tolist() == [i for row in blocks for i in np.flatnonzero(row)]
    assert count_blocks(values.reshape(-1, shape[-1]).astype(np.float32), block) == blocks.sum()


def test_index_types_are_the_narrowest():
    wide = scipy.sparse.csr_array(([1.0, 2.0], ([0, 1], [255, 256 * 4 - 1])), (2, 256 * 4))
    assert encode(wide, 4).indices.dtype == np.uint8
    assert encode(wide, 1).indices.dtype == np.uint16
    assert encode(np.ones((1, 70000), np.float32)).indices.dtype == np.int32
    assert encode(np.ones((2, 40000), np.float32)).segments.dtype == np.int32


def test_blocks_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="Blocks of 4 do not divide 6 columns"):
        encode(np.ones((2, 6), np.float32), 4)


def dense_file(inputs, outputs, **converter_settings):
    """A file with one fully connected layer, its weights an input of the graph named weights."""

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, inputs), tf.float32, "image"),
            tf.TensorSpec((outputs, inputs), tf.float32, "weights"),
        ]
    )
    def product(image, weights):
        return tf.linalg.matmul(image, weights, transpose_b=True)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([product.get_concrete_function()])
    return File(converter.convert())


@pytest.mark.parametrize("block", [1, 4])
def test_litert_computes_with_what_was_put_into_a_file(block):
    generator = np.random.default_rng(0)
    weights = sparse_array(generator, (5, 24), 0.3, 4)
    file = dense_file(24, 5)
    file.bind("weights", encode(weights, block))
    file.sign({"image": file.inputs()["image"]}, {"embedding": file.graph.outputs[0]})
    file.set_metadata("about", {"ä": [1, None]})
    content = file.content()
    image = generator.standard_normal((3, 24)).astype(np.float32)
    np.testing.assert_allclose(run_in_child(content, image), image @ weights.T, rtol=1e-4, atol=1e-3)

    again = File(content)
    assert again.metadata("about") == {"ä": [1, None]} and again.metadata("other") is None
    (found,) = sparse_weights(again).values()
    np.testing.assert_array_equal(decode(found), weights)
    parts = sizes(again)
    assert parts["values"] == found.values.nbytes and parts["indices"] < 200
    assert sum(parts.values()) == len(content)
    # Changed once more, nothing that is not used is left behind.
    again.set_metadata("about", {})
    assert len(again.content()) < len(content)


def test_what_is_no_tflite_file_is_refused():
    with pytest.raises(ValueError, match="not a TFLite file"):
        File(b"PK\x03\x04 something else")


def stock_file(optimizations, width=64, density=0.05, dtypes=(), block=4):
    """What the stock converter makes of a sparse layer."""
    generator = np.random.default_rng(0)
    layer = keras.layers.Dense(32, use_bias=False)
    model = keras.Sequential([keras.Input((width,)), layer])
    layer.kernel.assign(sparse_array(generator, (32, width), density, block).T / 100)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = optimizations
    converter.target_spec.supported_types = list(dtypes)
    return File(converter.convert())


SPARSITY, DEFAULT = tf.lite.Optimize.EXPERIMENTAL_SPARSITY, tf.lite.Optimize.DEFAULT


def test_stock_sparsity_in_float_is_sound():
    file = stock_file([SPARSITY])
    assert sparse_weights(file)
    check_sparse(file)


@pytest.mark.parametrize(
    "optimizations, settings",
    [
        ([SPARSITY, DEFAULT], dict(block=16)),  # wrong numbers, or a crash
        ([SPARSITY, DEFAULT], dict(dtypes=[tf.float16])),  # NaN
        ([SPARSITY], dict(width=66)),  # the last inputs are lost
    ],
)
def test_broken_stock_combinations_are_refused(optimizations, settings):
    file = stock_file(optimizations, **settings)
    with pytest.raises(ValueError, match="^the sparse weights .* are read by "):
        check_sparse(file)


def test_least_bytes():
    # 3 of 8 weights in float32: C(8, 3) = 56 places.
    layer = Layer("f", "dense", 8, 3, 0.75, "csr", 0, "", "")
    assert least_bytes([layer]) == np.ceil((96 + np.log2(56)) / 8)
    # Whole blocks: C(4, 1) places; a convolution in int8; two biases.
    layer = Layer("c", "conv", 16, 4, 0.25, "blocks", 0, "", "")
    assert least_bytes([layer], "int8", 2) == np.ceil((4 * 8 + 2 + 64) / 8)
