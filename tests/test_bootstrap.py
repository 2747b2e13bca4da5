"""Intervals by bootstrap and McNemar's test against naive loops and known laws."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from sklearn.metrics import roc_auc_score, roc_curve

from sparseface_tf.evaluation import bootstrap
from sparseface_tf.evaluation.comparison import mcnemar


def test_interval_of_a_mean():
    values = np.random.default_rng(0).normal(0.9, 0.01, 40)
    low, high = bootstrap.interval_of_mean(values)
    error = values.std() / np.sqrt(40)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert bootstrap.interval_of_mean(values) == (low, high)
    assert bootstrap.interval_of_mean([0.5]) is None
    assert bootstrap.interval_of_mean([0.5, 0.5]) == (0.5, 0.5)


def test_people_count_and_not_answers():
    # Every answer is there ten times: pairs look like ten times as many, people do not.
    right = np.random.default_rng(1).random(200) < 0.8
    once = bootstrap.interval_of_share(right, np.arange(200))
    tenfold = bootstrap.interval_of_share(np.repeat(right, 10), np.repeat(np.arange(200), 10))
    np.testing.assert_allclose(once, tenfold, atol=1e-12)
    error = np.sqrt(0.8 * 0.2 / 200)
    assert once[1] - once[0] == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert bootstrap.interval_of_share(right, np.zeros(200, int)) is None


@examples(15)
@given(st.integers(0, 10**6))
def test_roc_of_drawn_identities(seed):
    """The weighted ROC is scikit-learn's of the pairs, each as often as it was drawn."""
    rng = np.random.default_rng(seed)
    identities = rng.integers(6, size=(60, 2))
    identities[:20, 1] = identities[:20, 0]
    same = identities[:, 0] == identities[:, 1]
    scores = np.round(rng.normal(same, 1), 1)  # with ties
    found = {"auc": [], "eer": [], 0.1: []}
    for weights in bootstrap._weights(identities, seed=0):
        for row in weights:
            if not row[same].any() or not row[~same].any():
                continue
            assert set(row) <= set(range(37))
            found["auc"].append(roc_auc_score(same, scores, sample_weight=row))
            far, tar, _ = roc_curve(same, scores, sample_weight=row, drop_intermediate=False)
            found["eer"].append(np.interp(0, far + tar - 1, far))
            found[0.1].append(tar[far <= 0.1 + 1e-12].max())
        break
    many = bootstrap.RESAMPLES
    try:
        bootstrap.RESAMPLES = bootstrap._BLOCK
        intervals = bootstrap.intervals_of_roc(scores, same, identities, [0.1])
    finally:
        bootstrap.RESAMPLES = many
    for name, values in found.items():
        np.testing.assert_allclose(
            intervals[name], np.quantile(values, [0.025, 0.975]), atol=1e-9, err_msg=str(name)
        )


def test_how_often_pairs_count():
    pairs = np.array([[0, 0], [0, 1], [1, 2], [2, 2]])
    for weights in bootstrap._weights(pairs, seed=3):
        drawn = weights[:, [0, 3]]  # pairs of one person tell how often that was drawn
        rest = 3 - drawn.sum(1)
        np.testing.assert_array_equal(weights[:, 1], drawn[:, 0] * rest)
        np.testing.assert_array_equal(weights[:, 2], drawn[:, 1] * rest)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar(decisions):
    a, b = np.array(decisions).T
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, k = only_a + only_b, min(only_a, only_b)
    # Twice the lower tail of the binomial law with 1/2.
    expected = min(1.0, 2 * scipy.stats.binom.cdf(k, n, 0.5)) if n else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(b, a) == pytest.approx(expected)


def test_mcnemar_needs_the_same_pairs():
    with pytest.raises(ValueError, match="same pairs"):
        mcnemar([True, False], [True])
