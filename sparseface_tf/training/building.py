"""The networks of a run: built, supervised, and with channels taken away."""

import keras

from sparseface_tf.channels import sliced
from sparseface_tf.networks import build_network
from sparseface_tf.supervision import supervise


def new_network(settings, region, normalization):
    """A network with new weights, from images to features.

    Args:
        settings: `settings.Network`.
        region: `Region` that the network sees.
        normalization: of `build_network`.

    Raises:
        ValueError: if the input is too small for the layers.
    """
    return build_network(
        settings.name,
        (region.height, region.width, region.channels),
        width=settings.width,
        study=settings.study,
        normalization=normalization,
        dropout=settings.dropout_5b,
    )


def supervised(network, dropout, supervision, identities):
    """The model that trains a network, see `supervise`.

    Args:
        network: what `new_network` returned.
        dropout: share of f and of the branches that is dropped.
        supervision: `settings.Supervision`.
        identities: number of training identities.

    Raises:
        ValueError: if a branch is not a layer of the network.
    """
    return supervise(
        network,
        identities,
        branches=supervision.branches,
        dropout=dropout,
        margin=1.0 if supervision.margin == "data" else float(supervision.margin),
        identification=supervision.identification,
        centre_rate=supervision.centre_rate if supervision.centre_weight else None,
    )


def without_channels(network, model, kept, freeze):
    """The two without some of their channels, with the weights that are left.

    Args:
        network: what `new_network` returned.
        model: what `supervised` returned.
        kept: dict of layers to the numbers of the channels that they keep.
        freeze: whether the normalisations are frozen from here on.

    Returns:
        (network, model).
    """
    model = sliced(model, kept)
    feature = model.get_layer("feature").output
    network = keras.Model(model.input, feature, name=network.name)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not freeze
            # The penalties have done what they are for.
            layer.gamma.regularizer = layer.gamma_regularizer = None
    return network, model
