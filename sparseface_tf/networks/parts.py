"""What the networks share: a layer's activation, the feature f, and what leaves a network."""

from keras import layers

from sparseface_tf.layers import MaskedDense


def activate(x, layer, normalization):
    if normalization is not False:
        settings = {} if normalization is True else normalization
        name = f"{layer}_normalization"
        x = layers.BatchNormalization(**{"momentum": 0.9, "name": name, **settings})(x)
    return layers.ReLU(name=f"{layer}_relu")(x)


def feature(x, size):
    """The layer f, and what it gives."""
    x = MaskedDense(size, kernel_initializer="he_normal", name="f")(x)
    x = layers.ReLU(name="f_relu")(x)
    return in_float32(x)


def in_float32(x):
    # The feature leaves in float32 whatever the layers compute in: losses, distances and
    # statistics start here.
    return layers.Activation("linear", dtype="float32", name="feature")(x)
