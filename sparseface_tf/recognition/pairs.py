"""Scores of pairs of faces whose people are known, to calibrate by."""

import numpy as np

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


def listed_pairs(scorer, features, labels, pairs):
    """Scores of the pairs of a list, as `all_pairs` gives them.

    Args:
        scorer, features, labels: see `all_pairs`.
        pairs: `pipelines.pairs.Pairs`, numbers of rows of the features.
    """
    a, b = pairs.images.T
    return scorer.score_pairs(features[a], features[b]), pairs.same, labels[pairs.images]
