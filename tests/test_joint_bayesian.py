import pickle
import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_limits

from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian
from sparseface_tf.matching.nearest_centre import NearestCentre


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Products this small gain nothing by threads, and wait long for them on a busy machine."""
    with threadpool_limits(1):
        yield


def model(rng, d):
    """A mean and factors of S_μ and S_ε, (d,), (d, d), (d, d)."""
    return rng.normal(size=d), rng.normal(size=(d, d)), rng.normal(size=(d, d)) + np.eye(d)


def draw(rng, sizes, mean, between, within):
    """Features of identities with these numbers of images, and labels, in random order."""
    d, labels = len(mean), np.repeat(np.arange(len(sizes)), sizes)
    features = mean + (rng.normal(size=(len(sizes), d)) @ between.T)[labels]
    features += rng.normal(size=(len(labels), d)) @ within.T
    order = rng.permutation(len(labels))
    return features[order], labels[order]


def fitted(seed=0, sizes=(1, 2, 2, 3, 3, 3, 4, 7) * 5, d=4, **settings):
    rng = np.random.default_rng(seed)
    features, labels = draw(rng, sizes, *model(rng, d))
    return JointBayesian(**settings).fit(features, labels), features, labels


def naive_log_likelihood(scorer, features, labels):
    """Mean over the images, from the stacked Gaussian of every identity."""
    total, d = 0, features.shape[1]
    for identity in np.unique(labels):
        images = features[labels == identity] - scorer.mean_
        m = len(images)
        covariance = np.kron(np.ones((m, m)), scorer.covariance_between_)
        covariance += np.kron(np.eye(m), scorer.covariance_within_)
        total += multivariate_normal(np.zeros(m * d), covariance).logpdf(images.ravel())
    return total / len(features)


def naive_scores(scorer, X1, X2):
    """The ratio of the likelihoods of two Gaussians."""
    between = scorer.covariance_between_
    total = between + scorer.covariance_within_
    nothing = np.zeros_like(total)
    mean = np.tile(scorer.mean_, 2)
    same = multivariate_normal(mean, np.block([[total, between], [between, total]]))
    different = multivariate_normal(mean, np.block([[total, nothing], [nothing, total]]))
    pairs = np.concatenate([X1, X2], axis=1)
    return same.logpdf(pairs) - different.logpdf(pairs)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("components", [None, 1])
def test_scikit_learns_checks(components):
    # All apply. The one about other array libraries is skipped where they are not switched on.
    check_estimator(JointBayesian(n_components=components), on_skip=None)


@examples(30)
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 5))
def test_scores_are_ratios_of_likelihoods(seed, d):
    scorer, features, _ = fitted(seed, d=d, tol=1e-2)
    # Features of other people, far out ones too.
    rng = np.random.default_rng([seed, 1])
    X1, X2 = 3 * rng.normal(size=(2, 20, d)) + features.mean(axis=0)
    expected = naive_scores(scorer, X1, X2)
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(scorer.score_pairs(X1, X2), expected, rtol=1e-8, atol=1e-8 * scale)
    np.testing.assert_allclose(scorer.score_pairs(X2, X1), expected, rtol=1e-8, atol=1e-8 * scale)


def test_vectors_and_offsets_are_the_score():
    scorer, features, _ = fitted()
    a, b = features[:30], features[30:37]
    scores = scorer.score_matrix(a, b)
    assert scores.shape == (30, 7)
    for j in range(7):
        expected = scorer.score_pairs(a, np.broadcast_to(b[j], a.shape))
        np.testing.assert_allclose(scores[:, j], expected, rtol=1e-12, atol=1e-12)
    s, t = scorer.transform(a), scorer.transform(b)
    by_hand = s @ t.T + scorer.offsets(s)[:, None] + scorer.offsets(t)[None]
    np.testing.assert_allclose(scores, by_hand, rtol=1e-12, atol=1e-12)


@examples(40)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=12).filter(lambda s: max(s) > 1),
    d=st.integers(1, 4),
    shrinkage=st.sampled_from(["auto", 0.1, 1]),
)
def test_likelihood_never_falls(seed, sizes, d, shrinkage):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scorer, features, labels = fitted(
            seed, sizes, d, shrinkage=shrinkage, tol=0, max_iter=30
        )
    likelihoods = scorer.log_likelihoods_
    assert len(likelihoods) == scorer.n_iter_ + 1
    slack = 1e-10 * np.abs(likelihoods).max()
    assert (np.diff(likelihoods) >= -slack).all()
    # The prior: an inverse Wishart with the mode (1 - a) C + a T.
    expected, a = naive_log_likelihood(scorer, features, labels), scorer.shrinkage_
    if 0 < a < 1:
        centred = features - scorer.mean_
        # Sum of squares about the identities' means, by its definition.
        squares = sum(
            ((centred[labels == i] - centred[labels == i].mean(axis=0)) ** 2).sum()
            for i in np.unique(labels)
        )
        target = squares / (len(features) - len(np.unique(labels))) / d
        within = scorer.covariance_within_
        trace = target * np.trace(np.linalg.inv(within))
        expected -= a / (1 - a) / 2 * (np.linalg.slogdet(within)[1] + trace)
    np.testing.assert_allclose(likelihoods[-1], expected, rtol=1e-8, atol=1e-8)


def test_no_model_nearby_is_likelier():
    # Without shrinkage EM ends where the likelihood, by scipy, has its maximum.
    truth = np.zeros(2), np.array([[1, 0.3], [0, 0.8]]), np.array([[1, 0], [0.5, 0.7]])
    features, labels = draw(np.random.default_rng(0), (1, 2, 3, 4) * 15, *truth)
    scorer = JointBayesian(shrinkage=0, tol=1e-14, max_iter=2000).fit(features, labels)
    best = naive_log_likelihood(scorer, features, labels)
    assert best == pytest.approx(scorer.log_likelihoods_[-1], abs=1e-10)
    for name in ("covariance_between_", "covariance_within_"):
        for change in ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [1, 0]]):
            for step in (-0.01, 0.01):
                other = pickle.loads(pickle.dumps(scorer))
                setattr(other, name, getattr(scorer, name) + step * np.array(change))
                assert naive_log_likelihood(other, features, labels) < best


@pytest.mark.parametrize("sizes", [(5,) * 2000, (1, 2, 3, 9, 10) * 400])
def test_a_known_model_is_recovered(sizes):
    rng = np.random.default_rng(0)
    truth = model(rng, 6)
    features, labels = draw(rng, sizes, *truth)
    scorer = JointBayesian().fit(features, labels)
    assert scorer.converged_
    for estimate, factor, error in (
        (scorer.covariance_between_, truth[1], 0.1),
        (scorer.covariance_within_, truth[2], 0.05),
    ):
        expected = factor @ factor.T
        assert np.linalg.norm(estimate - expected) < error * np.linalg.norm(expected)


def test_new_people_are_told_apart_better_than_by_cosine():
    rng = np.random.default_rng(0)
    truth = model(rng, 8)
    scorer = JointBayesian().fit(*draw(rng, [4] * 300, *truth))
    features, labels = draw(rng, [2] * 400, *truth)
    features = features[np.argsort(labels, kind="stable")]
    X1 = np.concatenate([features[::2], features[::2]])
    X2 = np.concatenate([features[1::2], np.roll(features[1::2], 1, axis=0)])
    same = np.repeat([1, 0], 400)
    area = roc_auc_score(same, scorer.score_pairs(X1, X2))
    assert area > roc_auc_score(same, Cosine().score_pairs(X1, X2)) + 0.05
    # Scores are log-likelihood ratios: 0 is the best threshold where both are as frequent.
    accuracy = np.mean((scorer.score_pairs(X1, X2) > 0) == same)
    best = max(np.mean((scorer.score_pairs(X1, X2) > t) == same) for t in np.linspace(-9, 9, 181))
    assert accuracy > best - 0.02


@pytest.mark.parametrize("dead", [False, True])
def test_collinear_features(dead):
    rng = np.random.default_rng(0)
    mean, between, within = model(rng, 3)
    features, labels = draw(rng, [1, 2, 3] * 20, mean, between, within)
    wide = np.zeros((len(features), 6))
    wide[:, :3] = features
    if not dead:
        wide[:, 3:] = features @ rng.normal(size=(3, 3))
    scorer = JointBayesian().fit(wide, labels)
    scores = scorer.score_matrix(wide, wide)
    same = labels[:, None] == labels
    assert np.isfinite(scores).all() and scores[same].mean() > scores[~same].mean() + 1
    if dead:
        # What did not vary in training says nothing.
        other = wide.copy()
        other[:, 3:] = rng.normal(size=(len(wide), 3))
        np.testing.assert_allclose(scorer.score_matrix(other, other), scores, atol=1e-9)
    with pytest.raises(ValueError, match="^Images of one identity vary in 3 directions only of 6"):
        JointBayesian(shrinkage=0).fit(wide, labels)


def test_more_features_than_images():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 4))
    labels = np.repeat(np.arange(10), 3)
    features = rng.normal(size=(10, 4))[labels] @ truth.T + rng.normal(size=(30, 50))
    scorer = JointBayesian().fit(features, labels)
    people = rng.normal(size=(40, 4)) @ truth.T
    a, b = people + rng.normal(size=(2, 40, 50))
    scores = scorer.score_matrix(a, b)
    assert np.isfinite(scores).all()
    assert roc_auc_score(np.eye(40).ravel(), scores.ravel()) > 0.9


def test_badly_scaled_features_give_the_same_scores():
    # Without shrinkage the model does not depend on the units of the features.
    rng = np.random.default_rng(0)
    features, labels = draw(rng, [1, 2, 5] * 20, *model(rng, 4))
    scales = np.array([1e-6, 1, 1e3, 1e5])
    plain = JointBayesian(shrinkage=0).fit(features, labels)
    scaled = JointBayesian(shrinkage=0).fit(features * scales + 1e3 * scales, labels)
    assert plain.n_iter_ == scaled.n_iter_
    expected = plain.score_matrix(features, features)
    actual = scaled.score_matrix(*[features * scales + 1e3 * scales] * 2)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


def test_more_images_than_dimensions_are_compressed_without_loss():
    # 120 identities of one size in 3 dimensions against the naive likelihood, which sees them all.
    scorer, features, labels = fitted(sizes=(2,) * 120, d=3, shrinkage=0)
    expected = naive_log_likelihood(scorer, features, labels)
    assert scorer.log_likelihoods_[-1] == pytest.approx(expected, abs=1e-10)


def test_pca_in_front():
    rng = np.random.default_rng(0)
    truth = model(rng, 6)
    features, labels = draw(rng, [3] * 50, *truth)
    scorer = JointBayesian(n_components=3).fit(features, labels)
    assert scorer.transform(features).shape == (150, 3)
    assert scorer.covariance_within_.shape == (3, 3)
    reduced = scorer.pca_.transform(features)
    behind = JointBayesian().fit(reduced, labels)
    np.testing.assert_allclose(
        scorer.score_matrix(features, features), behind.score_matrix(reduced, reduced), atol=1e-9
    )
    # All components: a rotation, that changes nothing.
    whole, plain = JointBayesian(n_components=6), JointBayesian()
    np.testing.assert_allclose(
        whole.fit(features, labels).score_pairs(features[::2], features[1::2]),
        plain.fit(features, labels).score_pairs(features[::2], features[1::2]),
        atol=1e-8,
    )


def test_pickles_and_clones():
    scorer, features, labels = fitted()
    other = pickle.loads(pickle.dumps(scorer))
    np.testing.assert_array_equal(
        other.score_matrix(features, features), scorer.score_matrix(features, features)
    )
    assert clone(scorer).get_params() == scorer.get_params()
    with pytest.raises(NotFittedError):
        clone(scorer).score_pairs(features, features)


def test_identities_may_have_names():
    scorer, features, labels = fitted()
    named = JointBayesian().fit(features, [f"person {label:02d}" for label in labels])
    np.testing.assert_array_equal(named.covariance_between_, scorer.covariance_between_)


def test_convergence_is_reported():
    with pytest.warns(ConvergenceWarning, match="^Joint Bayesian did not converge in 2 iterations"):
        scorer, *_ = fitted(max_iter=2, tol=0)
    assert not scorer.converged_ and scorer.n_iter_ == 2 and len(scorer.log_likelihoods_) == 3


@pytest.mark.parametrize(
    "features, labels, message",
    [
        ([[1, 2], [3, np.nan], [0, 1]], [0, 0, 1], "1 of 3 rows of features hold NaN .* row 1: "),
        ([[1, 2], [3, 4], [0, 1]], [0, 1, 2], "No identity has two images"),
        ([[1, 2], [3, 4], [0, 1]], [7, 7, 7], "All features are of one identity"),
        ([[1, 2]], [0], "1 sample"),
        ([[1, 2], [1, 2], [0, 1]], [0, 0, 1], "equal features"),
    ],
)
def test_bad_features(features, labels, message):
    with pytest.raises(ValueError, match=message) as raised:
        JointBayesian().fit(np.array(features, float), labels)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "parameter", [{"shrinkage": 2}, {"shrinkage": "much"}, {"max_iter": 0}, {"tol": -1}]
)
def test_bad_parameters(parameter):
    with pytest.raises(ValueError, match=f"{next(iter(parameter))} must be"):
        fitted(**parameter)


def test_pairs_need_two_arrays_of_one_length():
    scorer, features, _ = fitted()
    with pytest.raises(ValueError, match="one shape"):
        scorer.score_pairs(features, features[:1])


@pytest.mark.parametrize("scorer", [JointBayesian(), JointBayesian(3), Cosine()], ids=str)
def test_scores_are_arrays_where_scikit_learn_gives_data_frames(scorer):
    X, y = sample_of_people()
    plain = scorer.fit(X, y).score_matrix(X[:3], X)
    with sklearn.config_context(transform_output="pandas"):
        scorer = sklearn.base.clone(scorer).fit(X, y)
        np.testing.assert_allclose(scorer.score_matrix(X[:3], X), plain)
        assert type(scorer.score_pairs(X[:3], X[3:6])) is np.ndarray
        frame = scorer.transform(X)
        assert len(frame) == len(scorer.offsets(frame)) == len(X)


def sample_of_people():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(10), 3)
    return rng.normal(size=(10, 6))[y] + 0.5 * rng.normal(size=(30, 6)), y


@pytest.mark.parametrize("missing", [None, float("nan")], ids=str)
@pytest.mark.parametrize("estimator", [JointBayesian(), NearestCentre()], ids=str)
def test_missing_labels_are_refused(estimator, missing):
    X, y = sample_of_people()
    with pytest.raises(ValueError, match="label|missing|NaN"):
        estimator.fit(X, np.array([missing if i == 3 else f"p{i}" for i in y], object))


@pytest.mark.parametrize(
    "components, message",
    [
        (0, "n_components must be above 0, got 0"),
        (-1, "n_components must be above 0, got -1"),
        (7, "7 principal components were asked for, and 30 training images with 6 features have 6"),
    ],
)
def test_components_that_cannot_be(components, message):
    with pytest.raises(ValueError, match=message):
        JointBayesian(components).fit(*sample_of_people())
