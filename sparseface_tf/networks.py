"""The networks that can be trained: Table 1's and DeepID2+, which the paper compares it with; the
poster's VGG-16; and small networks of others, to compare with."""

import typing

import keras
from keras import layers

from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.mobilefacenet import mobilefacenet
from sparseface_tf.squeezenet import squeezenet

# The layers of Table 1 that have weights, from the input up.
LAYERS = ("1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b", "5a", "5b", "f")
DEEPID2PLUS_LAYERS = ("conv1", "conv2", "conv3", "conv4", "f")
# VGG-16: maps and number of convolutions of every block (configuration D of the publication).
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
VGG16_LAYERS = tuple(
    f"conv{block}_{i}"
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, 1)
    for i in range(1, convolutions + 1)
)


class Network(typing.NamedTuple):
    """What a program asks of a network before it is built.

    Attributes:
        layers: names of the layers whose weights can be dropped, from the input up.
        width: width of its input in pixels, for regions of any shape.
        normalization: whether it has batch normalisations: "always", "never", or as "asked".
    """

    layers: tuple
    width: int
    normalization: str


NETWORKS = {
    "baseline": Network(LAYERS, 96, "asked"),
    "deepid2plus": Network(DEEPID2PLUS_LAYERS, 47, "asked"),
    "vgg16": Network(VGG16_LAYERS, 96, "always"),
    "mobilefacenet": Network((), 96, "always"),
    "mobilenet": Network((), 96, "always"),
    "squeezenet": Network((), 96, "never"),
}


def build_network(name, input_shape, *, width=1.0, study=False, normalization=False, dropout=0.3):
    """A network by its name, from images to features.

    Args:
        name: one of `NETWORKS`.
        input_shape: (height, width, channels).
        width: multiplies the number of maps and features of every layer.
        study, dropout: of `baseline_network`.
        normalization: see `baseline_network`; of networks that have it always, a dict of settings
            is for 'vgg16'.

    Returns:
        A `keras.Model` from images (batch, height, width, channels) to float32 features; the last
        layer is called "feature".

    Raises:
        ValueError: if the input is too small for the layers.
    """
    if name == "baseline":
        return baseline_network(input_shape, width, study, normalization, dropout)
    if name == "deepid2plus":
        return deepid2plus_network(input_shape, width, normalization)
    if name == "vgg16":
        return vgg16_network(input_shape, width, normalization or True)
    if name == "squeezenet":
        return squeezenet(input_shape, width)
    if name == "mobilenet":
        return mobilenet(input_shape, width)
    return mobilefacenet(input_shape, round(128 * width), width=width)


def baseline_network(
    input_shape=(112, 96, 3),
    width=1.0,
    study=False,
    normalization=False,
    dropout=0.3,
    name="baseline",
):
    """The network of Table 1, from the image to the 512-d feature f after its ReLU.

    Every layer has the paper's name, its weights can be dropped, and the outputs of the pooling
    stages are to be had by name too (`model.get_layer("pool3").output`); supervision.py hangs
    its branches there, and the 50 % dropout on f with them.

    Args:
        input_shape: (112, 96, 3) for rectangular face regions, (96, 96, 3) for square ones; any
            size that leaves 5 x 5 or more after the four poolings.
        width: multiplies the number of maps and features of every layer.
        study: leave out the first block and take half the input size, (56, 48, 3) or
            (48, 48, 3): a network of the same shape that trains about ten times faster. A layer
            keeps its name, so a study network has no 1a and 1b.
        normalization: put a batch normalisation between each convolutional or locally connected
            layer and its ReLU; a dict holds settings of it, such as its `gamma_initializer`. Not in
            the paper; see the README for what it is good for.
        dropout: fraction of 5b's outputs dropped in training (Sec. 3: 0.3).
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 512 * width).

    Raises:
        ValueError: if the input is too small for the layers.

    Example:

    >>> baseline_network().output_shape
    (None, 512)
    """
    height, pools = input_shape[0], 3 if study else 4
    if min(input_shape[0], input_shape[1]) < 5 * 2**pools:
        raise ValueError(
            f"An input of {height}x{input_shape[1]} is too small: layers 5a and 5b need 5x5 maps "
            f"after {pools} poolings, so at least {5 * 2**pools} pixels a side."
        )

    # Scaled for ReLU, or a signal through eleven layers without normalisation fades.
    weights = dict(kernel_initializer="he_normal", use_bias=normalization is False)

    def convolution(x, layer, maps):
        x = MaskedConv2D(round(width * maps), 3, padding="same", name=layer, **weights)(x)
        return _activate(x, layer, normalization)

    def local_connection(x, layer, maps):
        x = MaskedLocallyConnected2D(round(width * maps), 3, name=layer, **weights)(x)
        return _activate(x, layer, normalization)

    # === Functional Model ===                   Table 1, 112 x 96 input
    x = image = keras.Input(input_shape, name="image")
    if not study:
        x = convolution(x, "1a", 64)  #            112 x 96 x 64
        x = convolution(x, "1b", 64)
        x = layers.MaxPooling2D(2, name="pool1")(x)
    x = convolution(x, "2a", 96)  #                 56 x 48 x 96
    x = convolution(x, "2b", 96)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = convolution(x, "3a", 192)  #                28 x 24 x 192
    x = convolution(x, "3b", 192)
    x = layers.MaxPooling2D(2, name="pool3")(x)
    x = convolution(x, "4a", 256)  #                14 x 12 x 256
    x = convolution(x, "4b", 256)
    x = layers.MaxPooling2D(2, name="pool4")(x)  #   7 x 6 x 256
    x = local_connection(x, "5a", 256)  #            5 x 4 x 256
    x = local_connection(x, "5b", 256)  #            3 x 2 x 256
    x = layers.Dropout(dropout, name="5b_dropout")(x)
    x = layers.Flatten(name="5b_flatten")(x)
    return keras.Model(image, _feature(x, round(width * 512)), name=name)


def deepid2plus_network(
    input_shape=(55, 47, 3), width=1.0, normalization=False, name="deepid2plus"
):
    """DeepID2+, from the image to its 512-d feature f after the ReLU.

    Sun et al., "Deeply learned face representations are sparse, selective, and robust", CVPR 2015,
    enlarge DeepID2 (Sun et al., "Deep Learning Face Representation by Joint
    Identification-Verification", NIPS 2014). What is from where:

    * the input of 55 x 47: the paper that this project follows (Sec. 3);
    * four convolutional layers of 128 maps each, a feature of 512 fully connected to the third and
      the fourth, and supervision on every stage after its pooling: DeepID2+;
    * windows of 4 x 4, 3 x 3, 3 x 3 and 2 x 2 without padding, 2 x 2 pooling after the first three:
      DeepID2, whose structure DeepID2+ says it inherits.

    One thing is simpler here: DeepID2 shares the weights of its third layer within 2 x 2 positions
    only, and those of its fourth not at all. DeepID2+ does not say whether it does, and both are
    plain convolutions here.

    The supervision is supervision.py's, with the branches pool1, pool2 and pool3 beside f, which
    stands for the fourth stage; a branch on conv4_relu is possible too. f sees the third stage and
    the fourth joined: its kernel has the inputs from pool3 first, then those from conv4.

    Args:
        input_shape: (55, 47, 3) for rectangular face regions, (47, 47, 3) for square ones; any
            size from 31 x 31.
        width: multiplies the number of maps and features of every layer.
        normalization: put a batch normalisation between each convolution and its ReLU; a dict
            holds settings of it. Not in either publication.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 512 * width).

    Raises:
        ValueError: if the input is too small for the layers.

    Example:

    >>> deepid2plus_network().output_shape
    (None, 512)
    """
    if min(input_shape[0], input_shape[1]) < 31:
        raise ValueError(
            f"An input of {input_shape[0]}x{input_shape[1]} is too small: layer conv4 needs 2x2 "
            "maps after three poolings, so at least 31 pixels a side."
        )

    weights = dict(kernel_initializer="he_normal", use_bias=normalization is False)

    def convolution(x, layer, window):
        x = MaskedConv2D(round(width * 128), window, name=layer, **weights)(x)
        return _activate(x, layer, normalization)

    # === Functional Model ===                   55 x 47 input
    x = image = keras.Input(input_shape, name="image")
    x = convolution(x, "conv1", 4)  #               52 x 44 x 128
    x = layers.MaxPooling2D(2, name="pool1")(x)  #  26 x 22 x 128
    x = convolution(x, "conv2", 3)  #               24 x 20 x 128
    x = layers.MaxPooling2D(2, name="pool2")(x)  #  12 x 10 x 128
    x = convolution(x, "conv3", 3)  #               10 x 8 x 128
    x = third = layers.MaxPooling2D(2, name="pool3")(x)  #  5 x 4 x 128
    x = convolution(x, "conv4", 2)  #               4 x 3 x 128
    stages = [layers.Flatten(name="pool3_flatten")(third), layers.Flatten(name="conv4_flatten")(x)]
    x = layers.Concatenate(name="stages")(stages)
    return keras.Model(image, _feature(x, round(width * 512)), name=name)


def vgg16_network(input_shape=(220, 180, 3), width=1.0, normalization=True, name="vgg16"):
    """VGG-16 as the poster has it, from the image to a feature of 512 numbers.

    Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
    2015, with a batch normalisation behind every convolution, and with the mean over all positions
    in place of the three fully connected layers (`sparseface_tf.channels` has the poster). Pooling
    rounds up: 220 x 180 end as 7 x 6. The poster's dropout and softmax belong to the supervision.

    Args:
        input_shape: (220, 180, 3), CelebA's aligned images made a little larger, has as many
            multiply-adds as the poster says; any other from 32 x 32.
        width: multiplies the number of maps of every layer.
        normalization: True, or a dict of settings of the batch normalisations, such as their
            `gamma_initializer`.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 512 * width).

    Raises:
        ValueError: if the input is too small for the layers.

    Example:

    >>> vgg16_network((112, 96, 3)).output_shape
    (None, 512)
    """
    if min(input_shape[0], input_shape[1]) < 32:
        raise ValueError(
            f"An input of {input_shape[0]}x{input_shape[1]} is too small: VGG-16 halves it five "
            "times, so it needs at least 32 pixels a side."
        )
    # === Functional Model ===                                           220 x 180 input
    x = image = keras.Input(input_shape, name="image")
    for block, (maps, convolutions) in enumerate(VGG16_BLOCKS, 1):
        for i in range(1, convolutions + 1):
            x = MaskedConv2D(
                round(width * maps),
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"conv{block}_{i}",
            )(x)
            x = _activate(x, f"conv{block}_{i}", normalization)
        # 110 x 90, 55 x 45, 28 x 23, 14 x 12, 7 x 6
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{block}")(x)
    x = layers.GlobalAveragePooling2D(name="pool5_mean")(x)
    return keras.Model(image, _in_float32(x), name=name)


def mobilenet(input_shape=(224, 224, 3), width=1.0, name="mobilenet"):
    """MobileNet of `keras.applications`, from the image to the mean of its last maps.

    Args:
        input_shape: (224, 224, 3) in the publication; any other from 32 x 32.
        width: the publication's width multiplier.
        name: name of the model.

    Returns:
        A `keras.Model` from images (batch, height, width, channels), values about -1 … 1, to
        features (batch, 1024 * width), with random weights.
    """
    image = keras.Input(input_shape, name="image")
    x = keras.applications.MobileNet(
        input_tensor=image, alpha=width, include_top=False, weights=None, pooling="avg"
    ).output
    return keras.Model(image, _in_float32(x), name=name)


def _activate(x, layer, normalization):
    if normalization is not False:
        settings = {} if normalization is True else normalization
        name = f"{layer}_normalization"
        x = layers.BatchNormalization(**{"momentum": 0.9, "name": name, **settings})(x)
    return layers.ReLU(name=f"{layer}_relu")(x)


def _feature(x, size):
    """The layer f, and what it gives."""
    x = MaskedDense(size, kernel_initializer="he_normal", name="f")(x)
    x = layers.ReLU(name="f_relu")(x)
    return _in_float32(x)


def _in_float32(x):
    # The feature leaves in float32 whatever the layers compute in: losses, distances and
    # statistics start here.
    return layers.Activation("linear", dtype="float32", name="feature")(x)

