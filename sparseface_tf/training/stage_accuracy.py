"""What a stage's network is good for: verification, and classification of held-out images."""

import dataclasses

import keras
import numpy as np

from pipelines.files import write_atomically
from sparseface_tf.matching.cosine import cosine_similarity
from sparseface_tf.matching.nearest_centre import NearestCentre
from sparseface_tf.matching.verification import (
    correct_decisions,
    embed,
    verification_accuracy,
)


def tested(data, network, model, path):
    """What a network is good for: a part of a stage's metrics.

    Args:
        data: `RunData`.
        network: from images to features.
        model: the same with its supervision.
        path: where it goes pair by pair and image by image, .npz: arrays NAME/scores, NAME/right,
            NAME/same, NAME/folds, NAME/identities of each list of pairs; classification/accuracy
            and classification/nearest_centre, bool (n,), whether an image is identified, and
            classification/identities, int (n,).

    Returns:
        Dict: "verification", a dict for each list of pairs; "classification" with
        --held_out_images.
    """
    found, arrays = {"verification": {}}, {}
    for name, (faces, images, same, folds) in data.tests.items():
        scores = _scores(data, network, name, faces, images)
        verified = verification_accuracy(scores, same, folds)
        found["verification"][name] = dataclasses.asdict(verified)
        values = {
            "scores": scores.astype(np.float32),
            "right": correct_decisions(scores, same, folds, verified.thresholds),
            "same": same,
            "folds": folds,
            "identities": faces.labels[images],
        }
        arrays.update({f"{name}/{key}": value for key, value in values.items()})
    if data.classified:
        identities = data.classified[1]
        identified = _identified(data, network, model)
        shares = {name: float(right.mean()) for name, right in identified.items()}
        found["classification"] = {"images": len(identities), **shares}
        identified["identities"] = identities
        arrays.update({f"classification/{key}": value for key, value in identified.items()})
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))
    return found


def held_out_accuracy(data, network):
    """Accuracy of a network on pairs of the people held out of training, a float."""
    faces, images, same, folds = data.tests["held_out"]
    scores = _scores(data, network, "held_out", faces, images)
    return verification_accuracy(scores, same, folds).accuracy


def _identified(data, network, model):
    """Which held-out images of training identities are identified, a dict of bool arrays (n,)."""
    faces, identities = data.classified
    batches = data.image_batches(faces)
    classifier = keras.Model(model.input, model.get_layer("f_identity").output)
    predicted = embed(classifier, batches, "classification").argmax(axis=1)
    trained = data.image_batches(data.training)
    centres = NearestCentre().fit(embed(network, trained, "centres"), data.training.labels)
    nearest = centres.predict(embed(network, batches, "nearest centres"))
    return {"accuracy": predicted == identities, "nearest_centre": nearest == identities}


def _scores(data, network, name, faces, pairs):
    """Cosines of pairs, float (n,), of features summed over an image and its mirror."""
    used, pairs = np.unique(pairs, return_inverse=True)
    pairs = pairs.reshape(-1, 2)
    features = 0
    for mirrored in (False, True):
        batches = data.image_batches(faces, used, batch=256, mirrored=mirrored)
        features = features + embed(network, batches, f"embedding {name}")
    return cosine_similarity(features[pairs[:, 0]], features[pairs[:, 1]])
