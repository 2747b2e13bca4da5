"""Scores of pairs of faces whose people are known, to calibrate by."""

import math

import numpy as np

from sparseface_tf.recognition.templates import Templates

BLOCK = 2048


def all_pairs(scorer, features, labels):
    """Scores of every two images.

    Args:
        scorer: `Cosine` or fitted `JointBayesian`.
        features: float array (n, features).
        labels: integer array (n,), identity of each.

    Returns:
        scores: float32 array (n (n - 1) / 2,).
        same: bool array of that length.
        identities: int32 array (…, 2), of both images.
    """
    vectors = scorer.transform(features)
    offsets = scorer.offsets(vectors)
    labels = np.asarray(labels, np.int32)
    scores, identities = [], []
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, min(start + BLOCK, len(vectors)))
        block = vectors[rows] @ vectors[start:].T + offsets[rows, None] + offsets[start:]
        i, j = np.nonzero(np.triu(np.ones(block.shape, bool), 1))
        scores.append(block[i, j].astype(np.float32))
        identities.append(np.stack([labels[rows][i], labels[start:][j]], axis=1))
    identities = np.concatenate(identities)
    return np.concatenate(scores), identities[:, 0] == identities[:, 1], identities


def template_pairs(scorer, features, labels, photographs, most, seed=0):
    """Scores of faces with templates of other faces, `Templates`.

    The images of each person, shuffled, make as many templates of so many photographs as they can,
    but leave one image at least. A template is compared with all images that are not in it. If these are
    too many pairs, fewer templates, and fewer images, of everyone are taken.

    Args:
        scorer: `Cosine` or fitted `JointBayesian`.
        features: float array (n, features).
        labels: integer array (n,), identity of each.
        photographs: of how many images a template is.
        most: pairs at most, as far as one template and one image of everyone allow it.
        seed: of the shuffling.

    Returns:
        scores: float32 array (p,).
        same: bool array (p,).
        identities: int32 array (p, 2), of the template and of the image.
    """
    labels = np.asarray(labels, np.int32)
    order = np.random.default_rng([seed, photographs]).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    people = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    people = [rows for rows in people if len(rows) > photographs]
    if not people:
        return np.zeros(0, np.float32), np.zeros(0, bool), np.zeros((0, 2), np.int32)
    each = max(1, math.isqrt(most) // len(people))
    groups = [
        rows[k * photographs : (k + 1) * photographs]
        for rows in people
        for k in range(min(each, (len(rows) - 1) // photographs))
    ]
    # The last images: those that no template has, if there are any.
    images = np.concatenate([rows[-each:] for rows in people])
    names = np.repeat([str(k) for k in range(len(groups))], photographs)
    templates = Templates.of([*names], np.asarray(features)[np.concatenate(groups)])
    scores = scorer.score_matrix(templates.features.astype(features.dtype), features[images])
    apart = np.ones(scores.shape, bool)
    for k, rows in enumerate(groups):
        apart[k, np.isin(images, rows)] = False
    k, i = np.nonzero(apart)
    identities = np.stack([labels[[rows[0] for rows in groups]][k], labels[images[i]]], axis=1)
    return scores[k, i].astype(np.float32), identities[:, 0] == identities[:, 1], identities


def listed_pairs(scorer, features, labels, pairs):
    """Scores of the pairs of a list, as `all_pairs` gives them.

    Args:
        scorer, features, labels: see `all_pairs`.
        pairs: `pipelines.pairs.Pairs`, numbers of rows of the features.
    """
    a, b = pairs.images.T
    return scorer.score_pairs(features[a], features[b]), pairs.same, labels[pairs.images]
