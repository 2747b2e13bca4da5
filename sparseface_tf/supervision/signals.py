"""Joint identification-verification supervision on f and on earlier stages (Sec. 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from sparseface_tf.supervision.centre_loss import CentreLoss, ClassCentres
from sparseface_tf.supervision.margin_softmax import ArcFace, CosFace, CosineClassifier
from sparseface_tf.supervision.output_names import name_and_width
from sparseface_tf.supervision.verification import PairDistance, VerificationLoss

IDENTIFICATION = ("softmax", "arcface", "cosface")


def supervise(
    network: keras.Model,
    identities: int,
    branches: Sequence[str] = ("pool3", "pool4"),
    dropout: float = 0.5,
    margin: float = 1.0,
    identification: str = "softmax",
    centre_rate: float | None = None,
) -> keras.Model:
    """The training model: `network` with the supervisory signals on f and on its branches.

    A branch is DeepID2+'s: a fully connected layer of as many features as f, with ReLU, on the
    output of an earlier stage. Stages larger than about 7 x 6 are averaged down to that first,
    since a full connection to pool1 alone would have five times the weights of the network.
    Branches share the network's layers but are no part of it: `network` stays the model from
    image to feature.

    Args:
        network: embedding model with a (batch, features) output, such as `baseline_network()`.
        identities: number of identities of the training set.
        branches: names of layers whose outputs are supervised too.
        dropout: fraction of each feature dropped before its softmax (Sec. 3: 0.5).
        margin: initial margin of the verification signals.
        identification: identification signal, one of `IDENTIFICATION`, as `signals` is given it.
        centre_rate: rate of the centres of a centre loss on f; None for no such loss.

    Returns:
        A `keras.Model` from images (2 * pairs, height, width, channels) to a dict that has, for
        "f" and for every branch, "<name>_identity": logits (2 * pairs, identities), cosines with
        a margin softmax, and "<name>_pairs": distances and margins (pairs, 2), all float32; with a
        centre loss also "f_centre", what `ClassCentres` puts out.

    Raises:
        ValueError: if a branch is not a layer of the network.
    """
    features = {"f": network.output}
    for branch in branches:
        if branch not in {layer.name for layer in network.layers}:
            raise ValueError(
                f"No layer '{branch}' to supervise; choose from "
                f"{', '.join(layer.name for layer in network.layers if 'pool' in layer.name)}."
            )
        features[branch] = _branch(network, branch)
    outputs = {}
    for name, feature in features.items():
        dropped = layers.Dropout(dropout, dtype="float32", name=f"{name}_dropout")(feature)
        if identification == "softmax":
            # From zero: random logits would first teach the features to shrink, and a short
            # training does not recover from that (docs/results/recipe.md).
            classifier = layers.Dense(
                identities, kernel_initializer="zeros", dtype="float32", name=f"{name}_identity"
            )
        else:
            # What lets each begin to learn, see CosineClassifier. Of length 1 both.
            start = "lecun_normal" if identification == "arcface" else None
            classifier = CosineClassifier(identities, start, name=f"{name}_identity")
        outputs[f"{name}_identity"] = classifier(dropped)
        outputs[f"{name}_pairs"] = PairDistance(margin, name=f"{name}_pairs")(feature)
    if centre_rate is not None:
        centres = ClassCentres(identities, centre_rate, name="f_centre")
        outputs["f_centre"] = centres(network.output)
    return keras.Model(network.input, outputs, name="supervised")


def _branch(network, name):
    x = network.get_layer(name).output
    pool = max(1, min(x.shape[1], x.shape[2]) // 6)
    if pool > 1:
        x = layers.AveragePooling2D(pool, name=f"{name}_average")(x)
    x = layers.Flatten(name=f"{name}_branch_flatten")(x)
    x = layers.Dense(
        network.output.shape[-1],
        activation="relu",
        kernel_initializer="he_normal",
        name=f"{name}_branch",
    )(x)
    return layers.Activation("linear", dtype="float32", name=f"{name}_feature")(x)


def identification_loss(
    identification: str = "softmax", margin: float | None = None, scale: float | None = None
) -> keras.losses.Loss:
    """The identification signal.

    Args:
        identification: one of `IDENTIFICATION`.
        margin, scale: of ArcFace and CosFace; None for their defaults.

    Returns:
        A `keras.losses.Loss` of identities (batch,) and what the classifiers of `supervise` put
        out, (batch, identities).

    Raises:
        ValueError: for an unknown signal, or a margin or scale that makes no sense.
    """
    given = {"margin": margin, "scale": scale}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if identification == "softmax":
        if settings:
            raise ValueError("Margin and scale belong to arcface and cosface; softmax has none.")
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if identification not in IDENTIFICATION:
        raise ValueError(
            f"No identification signal '{identification}'; choose from {', '.join(IDENTIFICATION)}."
        )
    return {"arcface": ArcFace, "cosface": CosFace}[identification](**settings)


def signals(
    model: keras.Model,
    verification_weight: float = 0.05,
    branch_weight: float = 1.0,
    identification: keras.losses.Loss | None = None,
    centre_weight: float = 0.0,
) -> dict[str, Any]:
    """Losses of a supervised model, as the arguments that `compile` takes.

    The total is the sum over f and the branches of the joint signal, the branches' part scaled by
    `branch_weight`, and of the centre loss on f. Of a model at several widths the totals of all
    widths are summed. The joint signal is DeepID2's (Sun et al., "Deep Learning Face Representation
    by Joint Identification-Verification", Algorithm 1): a pair of images adds the identification of
    both and λ times its verification once. Per image, over the N images of a mini-batch,

        L = 1/N [ Σ_i Ident(i) + λ Σ_(pairs i, j) Verif(i, j) ].

    Keras takes means over what a loss has values of: N images, but N / 2 pairs. So the weight of
    the mean verification is λ / 2.

    Args:
        model: what `supervise` returned, or `at_widths` made of it.
        verification_weight: λ of the joint signal.
        branch_weight: weight of the branches against f.
        identification: what `identification_loss` returned for the signal that the model was
            built with; None: softmax.
        centre_weight: weight of the centre loss.

    Returns:
        Dict with "loss", "loss_weights" and "metrics" (accuracy of f's identification).
    """
    identification = identification or identification_loss()
    losses, weights = {}, {}
    for output in model.output_names:
        name, _ = name_and_width(output)
        scale = 1.0 if name.startswith("f_") else branch_weight
        if name.endswith("_identity"):
            losses[output] = identification
            weights[output] = scale
        elif name.endswith("_centre"):
            losses[output] = CentreLoss(model.get_layer(output))
            weights[output] = centre_weight
        else:
            losses[output] = VerificationLoss()
            weights[output] = scale * verification_weight / 2  # per image, not per pair
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    return {"loss": losses, "loss_weights": weights, "metrics": {"f_identity": [accuracy]}}


def targets(model: keras.Model) -> Callable[[Any, Any], tuple[Any, dict[str, Any]]]:
    """Function that turns a batch (images, identities) into what the model's `fit` takes."""
    names = list(model.output_names)
    return lambda images, identities: (images, {name: identities for name in names})
