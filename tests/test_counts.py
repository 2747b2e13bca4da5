"""Counts of parameters and multiply-adds against TensorFlow's profiler, and the poster's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from sparseface_tf.channels import at_width
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.networks import baseline_network, mobilenet, vgg16_network
from sparseface_tf.networks.counts import count, counts_at_width, total
from sparseface_tf.networks.squeezenet import squeezenet

KINDS = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "BiasAdd")


def profiled(model, kinds=KINDS):
    """Operations of one image by TensorFlow's profiler."""
    image = tf.TensorSpec((1, *model.input_shape[1:]), "float32")
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(image)
    graph = convert_variables_to_constants_v2(function).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    nodes, operations = [tf.compat.v1.profiler.profile(graph, cmd="op", options=options)], 0
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children)
        operations += node.float_ops if node.name in kinds else 0
    return operations


def convolutional():
    image = keras.Input((13, 11, 3))
    x = keras.layers.Conv2D(6, (3, 2), strides=2)(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = MaskedConv2D(5, 3, padding="same", use_bias=False)(x)
    x = keras.layers.MaxPooling2D(2, padding="same")(x)
    x = keras.layers.Flatten()(x)
    x = MaskedDense(7, activation="relu")(x)
    return keras.Model(image, keras.layers.Dense(3, use_bias=False)(x))


def local():
    image = keras.Input((7, 6, 4))
    x = MaskedLocallyConnected2D(5, 3, use_bias=False)(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def parameters(model):
    return sum(int(np.prod(v.shape)) for v in model.weights if v.name != "mask")


@pytest.mark.parametrize("make", [convolutional, local])
def test_operations_are_those_of_tensorflows_profiler(make):
    model = make()
    found = total(count(model))
    assert found.operations == profiled(model) > 0
    assert found.parameters == found.dense_parameters == parameters(model)
    assert found.trainable == sum(np.prod(v.shape) for v in model.trainable_weights)


def test_a_whole_network_by_the_profiler_at_every_width():
    model = baseline_network((56, 48, 3), 0.125, study=True, normalization=True)
    for width in (1, 0.75, 0.5, 0.25):
        narrow = at_width(model, width)
        found = counts_at_width(model, width)
        assert total(found).operations == profiled(narrow)
        assert found == count(narrow)
        assert total(found).parameters == parameters(narrow)


def test_dropped_weights_do_not_count():
    model = local()
    layer = model.layers[1]
    mask = np.random.default_rng(0).random(layer.kernel.shape) < 0.3
    layer.assign_mask(mask)
    found = count(model)[layer.name]
    assert found.multiply_adds == found.parameters == mask.sum()
    assert found.dense_multiply_adds == found.dense_parameters == mask.size
    conv = convolutional()
    layer = next(layer for layer in conv.layers if isinstance(layer, MaskedConv2D))
    layer.assign_mask(np.arange(np.prod(layer.mask.shape)).reshape(layer.mask.shape) % 2)
    found = count(conv)[layer.name]
    assert found.multiply_adds * 2 == found.dense_multiply_adds


def test_normalisations_are_counted_apart():
    model = baseline_network((56, 48, 3), 0.125, study=True, normalization=True)
    found = count(model)
    assert total(found).scalings == sum(
        np.prod(layer.output.shape[1:])
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )


def with_classes(network, classes):
    return keras.Model(network.input, keras.layers.Dense(classes)(network.output))


def test_the_posters_vgg16():
    """15.91 M parameters, and 24.71 G, multiplications and additions apart."""
    network = vgg16_network()
    assert network.get_layer("pool5").output.shape[1:] == (7, 6, 512)
    found = total(count(with_classes(network, 2330)))
    # With the biases of the convolutions, and without the normalisations.
    biases, normalisations = 4_224, 4 * 4_224
    assert found.parameters - normalisations + biases == 15_909_978
    assert round(2 * found.multiply_adds / 1e9, 2) == 24.71
    # On CelebA's aligned faces they would be fewer.
    found = total(count(with_classes(vgg16_network((218, 178, 3)), 2330)))
    assert round(2 * found.multiply_adds / 1e9, 2) == 24.56


def test_mobilenet_and_squeezenet_are_the_published_ones():
    found = total(count(mobilenet()))
    # keras.applications' own count without the top; 569 million multiply-adds with 1000 classes.
    assert found.parameters == 3_228_864
    assert round((found.multiply_adds + 1024 * 1000) / 1e6) == 569
    # The poster's 5.62 M, with as many identities as its VGG-16; its 5.73 G are ten times this.
    found = total(count(with_classes(mobilenet(), 2330)))
    assert round(found.parameters / 1e6, 2) == 5.62
    assert round(found.multiply_adds / 1e9, 3) == 0.570
    found = total(count(squeezenet(classes=1000)))
    assert found.parameters == 1_248_424
    found = total(count(squeezenet(classes=2330)))
    assert round(found.multiply_adds / 1e9, 3) == 0.875
