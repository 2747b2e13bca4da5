import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_limits

from sparseface_tf.matching.cosine import Cosine, cosine_similarity


def test_scikit_learns_checks():
    with threadpool_limits(1):
        check_estimator(Cosine(), on_skip=None)


def test_cosine():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 3))
    expected = [x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in zip(a, b)]
    np.testing.assert_allclose(cosine_similarity(a, b), expected)
    assert cosine_similarity(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_pairs_are_scored_like_each(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 3)).astype(dtype)
    a[2] = 0
    scorer = Cosine()
    scores = scorer.score_matrix(a, b[:4])
    assert scores.shape == (6, 4) and scores.dtype == dtype
    for j in range(4):
        expected = scorer.score_pairs(a, np.broadcast_to(b[j], a.shape))
        np.testing.assert_allclose(scores[:, j], expected, atol=1e-6)
    vectors = scorer.transform(a)
    assert vectors.dtype == scorer.offsets(vectors).dtype == dtype
    np.testing.assert_array_equal(scorer.offsets(vectors), np.zeros(6))


def test_bad_input():
    a = np.ones((3, 2))
    with pytest.raises(ValueError, match="one shape"):
        Cosine().score_pairs(a, a[:1])
    a[1, 0] = np.nan
    with pytest.raises(ValueError, match="^1 of 3 rows .* the first is row 1: .*$"):
        Cosine().score_matrix(a, a)
