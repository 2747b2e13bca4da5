"""Time and memory of BLUFR's ten trials (goal: minutes, within 4 GiB).

    python benchmarks/blufr.py

The trials are drawn with the benchmark's sizes: 13,233 images of 5,749 people, of which 1,500
people are for training, some 9,700 images for the 47 million pairs, and 1,000 people in the
gallery; the features are random, scores are cosines.
"""

import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

from sparseface_tf.evaluation.blufr import BlufrTest, Trial, evaluate_blufr
from sparseface_tf.matching.cosine import Cosine

FEATURES = flags.DEFINE_integer("features", 512, "Length of a feature.")
TRIALS = flags.DEFINE_integer("trials", 10, "Number of trials.")
PEOPLE, ONCE, IMAGES = 5749, 4069, 13233  # of the people, those with a single image


def drawn_test(generator):
    """A `BlufrTest` of random trials."""
    more = generator.multinomial(IMAGES - ONCE - 2 * (PEOPLE - ONCE), _long_tail(PEOPLE - ONCE))
    labels = np.repeat(np.arange(PEOPLE), np.concatenate([more + 2, np.ones(ONCE, int)]))
    trials = []
    for _ in range(TRIALS.value):
        people = generator.permutation(PEOPLE)
        training = np.isin(labels, people[:1500])
        test = np.flatnonzero(~training)
        gallery = np.searchsorted(labels, people[1500:2500])  # the first image of each
        trials.append(Trial(np.flatnonzero(training), test, gallery, np.setdiff1d(test, gallery)))
    none = np.zeros(0, np.int64)
    return BlufrTest(np.arange(IMAGES), labels, tuple(trials), (none, none))


def _long_tail(n):
    weights = 1 / np.arange(1, n + 1)
    return weights / weights.sum()


def main(_):
    generator = np.random.default_rng(0)
    test = drawn_test(generator)
    centres = generator.standard_normal((PEOPLE, FEATURES.value), np.float32)
    noise = generator.standard_normal((IMAGES, FEATURES.value), np.float32)
    features = centres[test.labels] + noise
    before = _peak()
    start = time.perf_counter()
    result = evaluate_blufr(features, test, Cosine, title="trials")
    seconds = time.perf_counter() - start
    print(
        f"{result.scores:,} pairs in {TRIALS.value} trials: {seconds:.1f} s, "
        f"peak memory {_peak():.2f} GiB, {before:.2f} GiB of it before"
    )


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    app.run(main)
