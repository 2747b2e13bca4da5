"""Learning what a network's scores mean, from people that it was not trained on."""

import os

import numpy as np
from absl import logging
from numpy.typing import NDArray

from pipelines.batches.pairs_file import read_pairs
from pipelines.faces.names import comparable
from pipelines.inspection.checking import check_images
from pipelines.sources import open_faces
from pipelines.sources.subset import Subset, capped
from sparseface_tf.embedding.embedder import Embedder, held_out_by_run, read_names
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.embedding.systems import System
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian
from sparseface_tf.recognition.calibration import Calibration, enough
from sparseface_tf.recognition.pairs import all_pairs, listed_pairs, template_pairs
from sparseface_tf.recognition.scoring import COSINE, JOINT_BAYESIAN, Scoring

# Images whose features are looked at. More people help more than more images.
MOST_IMAGES, MOST_OF_ONE = 16_000, 20
# Images of which every two make a pair, 8 million, and pairs of a face and a template.
MOST_PAIRED, MOST_PAIRS = 4000, 8_000_000
# Photographs of a template that scores are calibrated for; those between have the next fewer ones'.
TEMPLATES = (2, 3, 5, 8)
IDENTITIES = ("all", "held_out")


def learn_scorings(
    embedder: Embedder,
    data: str,
    *,
    train_data: str = "",
    identities: str = "all",
    pairs: str = "",
    components: int = 0,
    cache: str,
    seed: int = 0,
) -> dict[str, Scoring]:
    """Calibrates cosine, and Joint Bayesian where there are faces to learn it from.

    Scores of two faces, and of a face with templates of several photographs where `data` has people
    with as many; with a list of pairs those of two faces alone.

    Args:
        embedder: `Embedder`.
        data: faces of people that neither the network nor Joint Bayesian is trained on, a source
            as `pipelines.sources.open_faces` names it.
        train_data: faces that Joint Bayesian learns from, such as those of the network; empty for
            cosine alone.
        identities: "all"; or "held_out": of `data` only the people that the run of the network
            held out, of `train_data` only the others; or a file with the names of such people, one
            a line, for a network that does not lie in its run.
        pairs: list of pairs of `data`, see `pipelines.pairs_file`; empty for every two images.
        components: principal components for Joint Bayesian; 0: no PCA.
        cache: folder that keeps features.
        seed: which images are taken if there are very many.

    Returns:
        Dict from name of the scorer to `Scoring`.

    Raises:
        ValueError, OSError: in one line.
    """
    os.makedirs(cache, exist_ok=True)
    people = _open(data, cache)
    training = _open(train_data, cache) if train_data else None
    if identities != "all":
        by_run = identities == "held_out"
        held_out = held_out_by_run(embedder.path) if by_run else read_names(identities)
        people = _of(people, held_out, True, data)
        training = training and _of(training, held_out, False, train_data)
    if training is not None:
        _check_apart(people, training)
    listed = read_pairs(pairs, people) if pairs else None
    if listed is None:
        people = _limited(people, MOST_IMAGES, seed)
    system, cached = System("", (embedder,)), FeatureCache(cache)
    features = system.features(cached, Faces(people, "faces"), np.arange(len(people)))
    scorers: dict[str, Cosine | JointBayesian] = {COSINE: Cosine()}
    if training is not None:
        known = system.features(cached, Faces(training, "training faces"), np.arange(len(training)))
        logging.info("Learning Joint Bayesian from %d images.", len(training))
        limited = components if 0 < components < known.shape[1] else None
        scorers[JOINT_BAYESIAN] = JointBayesian(limited, random_state=0).fit(known, training.labels)
    scorings = {}
    for name, scorer in scorers.items():
        if listed is None:
            calibrations = calibrate(scorer, features, people.labels, seed)
        else:
            scores, same, who = listed_pairs(scorer, features, people.labels, listed)
            calibrations = {1: Calibration.of(scores, same, who, seed)}
        scorings[name] = Scoring(scorer, calibrations)
    return scorings


def calibrate(
    scorer: Cosine | JointBayesian, features: NDArray, labels: NDArray, seed: int = 0
) -> dict[int, Calibration]:
    """What the scores of a face with a template mean, by the template's number of photographs.

    Args:
        scorer: `Cosine` or fitted `JointBayesian`.
        features: float array (n, features), of people that neither the network nor the scorer was
            trained on.
        labels: integer array (n,), identity of each.
        seed: which pairs are taken if there are very many.

    Returns:
        Dict from 1, two faces, and those of `TEMPLATES` that there are enough photographs for.

    Raises:
        ValueError: see `Calibration.of`.
    """
    rows = _rows(labels, MOST_PAIRED, seed)
    scores, same, who = all_pairs(scorer, features[rows], labels[rows])
    found = {1: Calibration.of(scores, same, who, seed)}
    for photographs in TEMPLATES:
        scores, same, who = template_pairs(scorer, features, labels, photographs, MOST_PAIRS, seed)
        if enough(same):
            found[photographs] = Calibration.of(scores, same, who, seed)
    return found


def _check_apart(people, training):
    """Raises ValueError if somebody is in both sources."""
    names = [set(map(comparable, source.identities)) for source in (people, training)]
    both = sorted(names[0] & names[1])
    if both:
        raise ValueError(
            f"{len(both)} people are in --data and in --train_data, the first is {both[0]}: "
            "scores of people who were learned from are too good; give others, or "
            "--identities=held_out."
        )


def _open(name, cache):
    """A source of faces, without images that cannot be used, and without copies."""
    source = open_faces(name)
    if name == "synthetic":
        return source
    return check_images(source, os.path.join(cache, "bad_images.txt"))


def _of(source, names, wanted, title):
    """The images of some people, or of all others."""
    people = np.array([*map(comparable, source.identities)])
    among = np.isin(people[source.labels], [*map(comparable, names)]) == wanted
    if not among.any():
        raise ValueError(
            f"--identities leaves nobody of {title}: give the faces that the run was trained on."
        )
    return Subset(source, np.flatnonzero(among))


def _limited(source, limit, seed):
    """A source with at most so many images, see `_rows`."""
    rows = _rows(source.labels, limit, seed)
    return source if len(rows) == len(source) else Subset(source, rows)


def _rows(labels, limit, seed):
    """Rows, ascending, of at most so many images, at most `MOST_OF_ONE` of anyone, and 2 at least.

    Of as many people as possible.
    """
    counts = np.bincount(labels)
    most = next((m for m in range(MOST_OF_ONE, 2, -1) if np.minimum(counts, m).sum() <= limit), 2)
    rows = capped(labels, most, seed)
    people = limit // most
    if len(rows) > limit and len(counts) > people:
        kept = np.random.default_rng([seed, 3]).permutation(len(counts))[:people]
        rows = rows[np.isin(labels[rows], kept)]
    return rows
