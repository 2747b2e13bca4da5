"""Seconds that Joint Bayesian takes to learn, and how well it finds a model that is known.

    python benchmarks/joint_bayesian.py [--images=35000] [--identities=4000] [--features=512]

Draws features of identities from N(0, S_mu) and N(0, S_eps), whose variances fall over three and
two orders of magnitude along directions of their own, and prints
  the seconds and iterations of `JointBayesian.fit` (goal: seconds, not minutes);
  the relative error, in Frobenius norm, of S_mu and S_eps, beside that of the sample covariances of
  the identities and deviations themselves, which nobody sees in practice;
  the seconds of scoring 6,000 pairs, and the largest difference from the likelihood ratio of the
  two Gaussians by SciPy on some of them.
"""

import time

import numpy as np
from absl import app, flags
from scipy.stats import multivariate_normal

from sparseface_tf.matching.joint_bayesian import JointBayesian

_IMAGES = flags.DEFINE_integer("images", 35_000, "Images.", lower_bound=2)
_IDENTITIES = flags.DEFINE_integer("identities", 4_000, "Identities.", lower_bound=2)
_FEATURES = flags.DEFINE_integer("features", 512, "Features of an image.", lower_bound=1)


def factor(rng, d, orders):
    """A (d, d), where A Aᵀ has variances over that many orders of magnitude."""
    directions, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return directions * np.logspace(0, -orders / 2, d)


def relative_error(estimate, expected):
    return np.linalg.norm(estimate - expected) / np.linalg.norm(expected)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    images, identities, d = _IMAGES.value, _IDENTITIES.value, _FEATURES.value
    rng = np.random.default_rng(0)
    between, within = factor(rng, d, 3), factor(rng, d, 2)
    # One image for each identity, the others as they fall.
    extra = rng.integers(identities, size=max(images - identities, 0))
    labels = np.concatenate([np.arange(identities), extra])
    people = rng.normal(size=(identities, d)) @ between.T
    deviations = rng.normal(size=(len(labels), d)) @ within.T
    features = people[labels] + deviations

    start = time.perf_counter()
    scorer = JointBayesian().fit(features, labels)
    elapsed = time.perf_counter() - start
    sizes = len(np.unique(np.bincount(labels)))
    print(f"{len(labels)} x {d} features of {identities} identities, {sizes} different sizes")
    print(
        f"fit {elapsed:.1f} s, {scorer.n_iter_} iterations, converged: {scorer.converged_}, "
        f"shrinkage {scorer.shrinkage_:.4f}"
    )
    for name, estimate, seen, truth in (
        ("S_mu", scorer.covariance_between_, people, between),
        ("S_eps", scorer.covariance_within_, deviations, within),
    ):
        print(
            f"{name}: relative error {relative_error(estimate, truth @ truth.T):.3f}, sample "
            f"covariance {relative_error(seen.T @ seen / len(seen), truth @ truth.T):.3f}"
        )

    pairs = rng.integers(len(features), size=(6_000, 2))
    start = time.perf_counter()
    scores = scorer.score_pairs(features[pairs[:, 0]], features[pairs[:, 1]])
    print(f"6,000 pairs scored in {time.perf_counter() - start:.2f} s")
    some = features[pairs[:20]]
    joint, mean = np.concatenate([some[:, 0], some[:, 1]], axis=1), np.tile(scorer.mean_, 2)
    cross = scorer.covariance_between_
    total, nothing = cross + scorer.covariance_within_, np.zeros_like(cross)
    same = multivariate_normal(mean, np.block([[total, cross], [cross, total]])).logpdf(joint)
    other = multivariate_normal(mean, np.block([[total, nothing], [nothing, total]])).logpdf(joint)
    print(f"largest difference from SciPy {np.abs(same - other - scores[:20]).max():.1e}")


if __name__ == "__main__":
    app.run(main)
