"""Rates of verification and of search, against scikit-learn's metrics and naive counting."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from properties import examples
from sklearn.metrics import roc_auc_score, roc_curve

from sparseface_tf.evaluation import metrics
from sparseface_tf.evaluation.estimate import Estimate
from sparseface_tf.evaluation.search import Search, cmc, dir_at_far, dir_curve, search

# Few different values, so that there are ties within and between the two kinds.
VALUES = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5]) | st.floats(-1, 1, width=32)
TESTS = st.lists(st.tuples(VALUES, st.booleans()), min_size=2, max_size=60)
FARS = st.sampled_from([0, 1e-3, 0.01, 0.1, 0.29, 0.5, 0.99])


def both_kinds(data, dtype=np.float64):
    scores = np.array([score for score, _ in data], dtype)
    same = np.array([same for _, same in data])
    assume(same.any() and not same.all())
    return scores, same


class Product:
    """Scores are inner products."""

    def score_pairs(self, a, b):
        return np.einsum("nd,nd->n", a, b)

    def score_matrix(self, a, b):
        return a @ b.T


@examples(60)
@given(data=TESTS, dtype=st.sampled_from([np.float32, np.float64]))
def test_roc_and_area_are_scikit_learns(data, dtype):
    scores, same = both_kinds(data, dtype)
    curve = metrics.roc(metrics.Scores.of(scores, same))
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    assert metrics.auc(curve) == pytest.approx(roc_auc_score(same, scores), abs=1e-12)
    # Every corner of either lies on the other.
    for x, y in zip(far, tar):
        column = curve.tar[np.isclose(curve.far, x)]
        if len(column):
            assert column.min() - 1e-9 <= y <= column.max() + 1e-9
        else:
            assert np.interp(x, curve.far, curve.tar) == pytest.approx(y)
    expected = set(zip(np.round(far, 9), np.round(tar, 9)))
    assert set(zip(np.round(curve.far, 9), np.round(curve.tar, 9))) <= expected
    for x, y, threshold in zip(*curve):
        assert np.mean(scores[~same] >= threshold) == pytest.approx(x)
        assert np.mean(scores[same] >= threshold) == pytest.approx(y)


@examples(60)
@given(data=TESTS, far=FARS, dtype=st.sampled_from([np.float32, np.float64]))
def test_tar_is_the_best_that_the_far_allows(data, far, dtype):
    scores, same = both_kinds(data, dtype)
    rate = metrics.tar_at_far(metrics.Scores.of(scores, same), far)
    false, true, _ = roc_curve(same, scores, drop_intermediate=False)
    assert rate.rate == pytest.approx(true[false <= far + 1e-12].max())
    accepted = scores >= dtype(rate.threshold)
    assert accepted[~same].sum() == rate.false_accepts <= far * (~same).sum() + 1e-9
    assert accepted[same].mean() == pytest.approx(rate.rate)
    assert rate.impostors == (~same).sum()


@examples(60)
@given(data=TESTS)
def test_equal_error_rate_lies_on_the_roc(data):
    scores, same = both_kinds(data)
    value = metrics.eer(metrics.roc(metrics.Scores.of(scores, same)))
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    # The two corners between which FAR - FRR changes its sign.
    after = np.argmax(far + tar >= 1)
    before = max(after - 1, 0)
    assert far[before] - 1e-12 <= value <= far[after] + 1e-12
    assert 1 - tar[after] - 1e-12 <= value <= 1 - tar[before] + 1e-12


def test_by_hand():
    scores = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.0])
    same = np.array([True, True, True, False, False, False, False])
    test = metrics.Scores.of(scores, same)
    curve = metrics.roc(test)
    assert metrics.auc(curve) == pytest.approx(11 / 12)
    # At thresholds just above 0.3 FAR is 1/4 and FRR 1/3, at 0.3 they are 1/4 and 0.
    assert metrics.eer(curve) == pytest.approx(0.25)
    assert metrics.tar_at_far(test, 0).rate == pytest.approx(2 / 3)
    assert metrics.tar_at_far(test, 0.24).rate == pytest.approx(2 / 3)
    assert metrics.tar_at_far(test, 0.25).rate == 1
    assert metrics.allowed(0.29, 100) == 29  # 0.29 * 100 is below 29 in binary
    drawn = metrics.tar_curve(test)
    assert drawn.far[0] == 0 and drawn.rate[0] == pytest.approx(2 / 3)
    assert (drawn.far[-1], drawn.rate[-1]) == (1, 1) and list(drawn.rate) == sorted(drawn.rate)
    bins = metrics.histogram(test, 3)
    np.testing.assert_allclose(bins.edges, [0, 0.3, 0.6, 0.9])
    assert sum(bins.genuine) == 3 and sum(bins.impostor) == 4
    assert bins.impostor == (3, 0, 1)


@examples(50)
@given(data=TESTS, bins=st.integers(1, 10))
def test_histogram_counts_every_score(data, bins):
    scores, same = both_kinds(data, np.float32)
    result = metrics.histogram(metrics.Scores.of(scores, same), bins)
    assert sum(result.genuine) == same.sum() and sum(result.impostor) == (~same).sum()
    assert min(result.genuine + result.impostor) >= 0 and len(result.edges) == bins + 1


def test_estimate():
    values = [0.5, 0.75, 1.0]
    estimate = Estimate.of(values)
    assert estimate.mean == 0.75 and estimate.standard_deviation == pytest.approx(0.25)
    assert estimate.standard_error == pytest.approx(0.25 / np.sqrt(3))
    assert estimate.below == pytest.approx(0.5) and estimate.values == tuple(values)
    assert Estimate.of([0.5]).standard_error == 0


def test_bad_scores():
    with pytest.raises(ValueError, match="no pair of the same"):
        metrics.Scores.of([0.1, 0.2], [False, False])
    with pytest.raises(ValueError, match="no pair of different"):
        metrics.Scores.of([0.1, 0.2], [True, True])
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="not finite"):
            metrics.Scores.of([0.1, bad, 0.3], [True, False, False])
    with pytest.raises(ValueError, match="from 0 to below 1"):
        metrics.threshold_at_far(np.zeros(3), 1)


@examples(100)
@given(seed=st.integers(0, 2**32 - 1), block=st.integers(1, 9), people=st.integers(1, 6))
def test_search_against_loops(seed, block, people):
    rng = np.random.default_rng(seed)
    # Small whole numbers: products with many ties.
    gallery, probes = rng.integers(-2, 3, (7, 2)), rng.integers(-2, 3, (8, 2))
    gallery_labels, labels = rng.integers(0, people, 7), rng.integers(0, people + 2, 8)
    found = search(
        Product(), gallery.astype(float), gallery_labels, probes.astype(float), labels, block
    )
    for i, (probe, label) in enumerate(zip(probes, labels)):
        best = {}
        for face, who in zip(gallery, gallery_labels):
            best[who] = max(best.get(who, -np.inf), float(probe @ face))
        assert found.best[i] == max(best.values())
        if label in best:
            assert found.own[i] == best[label]
            assert found.rank[i] == sum(score >= best[label] for score in best.values())
        else:
            assert found.rank[i] == 0 and found.own[i] == -np.inf


# Probes of people in the gallery at ranks 1, 1, 2, 4 and of nobody in it.
FOUND = Search(
    rank=np.array([1, 1, 2, 4, 0, 0, 0, 0]),
    own=np.array([0.9, 0.4, 0.8, 0.7, *[-np.inf] * 4]),
    best=np.array([0.9, 0.4, 0.85, 0.95, 0.6, 0.3, 0.2, 0.1]),
)


def test_cmc_by_hand():
    np.testing.assert_allclose(cmc(FOUND, 5), [0.5, 0.75, 0.75, 1, 1])
    np.testing.assert_allclose(cmc(FOUND, 2), [0.5, 0.75])


def test_open_set_by_hand():
    assert dir_at_far(FOUND, 0).rate == 0.25
    assert dir_at_far(FOUND, 0.25).rate == 0.5
    assert dir_at_far(FOUND, 0.25).false_accepts == 1
    assert dir_at_far(FOUND, 0, rank=2).rate == 0.5
    assert dir_at_far(FOUND, 0, rank=None).rate == 0.75
    curve = dir_curve(FOUND, far=[0, 0.25])
    assert (curve.far, curve.rate) == ((0, 0.25), (0.25, 0.5))


def test_bad_searches():
    faces = np.eye(2)
    with pytest.raises(ValueError, match="empty"):
        search(Product(), faces[:0], [], faces, [0, 1])
    with pytest.raises(ValueError, match="not finite"):
        search(Product(), faces, [0, 1], faces * np.nan, [0, 1])
    nobody = search(Product(), faces, [0, 1], faces, [2, 3])
    with pytest.raises(ValueError, match="no ranks"):
        cmc(nobody, 1)
    with pytest.raises(ValueError, match="in the gallery and probes that are not"):
        dir_at_far(nobody, 0.1)
