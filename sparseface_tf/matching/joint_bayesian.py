"""Joint Bayesian: whether two features are of one identity, as a ratio of likelihoods.

Chen, Cao, Wen, Sun: "Bayesian Face Revisited: A Joint Formulation", ECCV 2012, in the way
DeepID2 uses it.
"""

import warnings

import numpy as np
import scipy.linalg
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.covariance import oas
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparseface_tf.matching.features import check_features, check_same_length


class JointBayesian(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Scores two features by log p(x1, x2 | same identity) - log p(x1, x2 | different ones).

    A feature, less the mean, is x = μ + ε: an identity μ ~ N(0, S_μ) that all its images share,
    and ε ~ N(0, S_ε) of each image alone. S_μ and S_ε are learned by EM with the exact posterior
    of every identity, its covariance included, so that the likelihood never falls. Everything is
    float64.

    EM works in coordinates z = Vᵀx in which S_ε is the identity and S_μ a diagonal matrix Λ, the
    solution of S_μ v = λ S_ε v. There the posterior of an identity with m images is diagonal too,
    whatever m is, and only S_ε, which is kept positive definite, is ever inverted: S_μ may be
    singular. The data move along with V, so what is factorised is close to the identity matrix
    however badly conditioned the features are.

    Args:
        n_components: what goes to scikit-learn's PCA in front: a number of components, or a
            fraction of variance below 1. None: no PCA.
        max_iter: EM iterations at most. A `ConvergenceWarning` tells when they do not suffice.
        tol: EM stops when the mean log-likelihood of an image rises by less than this.
        shrinkage: fraction a of S_ε, from 0 to 1, that is (average variance within identities) ×
            identity matrix; 1 - a is the estimate. So directions in which images of one identity
            hardly vary, or were too few to tell, are not taken for infinitely telling; S_μ is not
            touched. As an inverse Wishart prior on S_ε it is a part of what EM maximises. "auto"
            takes the fraction that is best in mean square for Gaussians (scikit-learn's OAS);
            it is never 0 with two or more features, so that collinear features, and more features
            than images, work. 0 gives the maximum of the likelihood itself.
        random_state: seed of PCA, which for large inputs is randomised.

    Attributes:
        mean_: (features,), of the training images; subtracted from all features.
        pca_: the fitted PCA, or None.
        covariance_between_: S_μ, (d, d), where d is the number of components, or of features
            without PCA.
        covariance_within_: S_ε, (d, d).
        projection_: V, (d, d), the largest variance first.
        variances_: diagonal of Λ, (d,), of identities along V, where that of ε is 1.
        shrinkage_: fraction used.
        log_likelihoods_: (n_iter_ + 1,), from the start to the end of EM: mean over the images of
            the log-likelihood, that of the prior included up to a constant if there is shrinkage.
        n_iter_: number of iterations.
        converged_: whether `tol` was reached.
        n_features_in_, feature_names_in_: as scikit-learn's.

    Example:

    ```python
    scorer = JointBayesian(n_components=180).fit(features, labels)
    scores = scorer.score_pairs(features[pairs[:, 0]], features[pairs[:, 1]])
    ```
    """

    def __init__(
        self, n_components=None, *, max_iter=100, tol=1e-3, shrinkage="auto", random_state=None
    ):
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.shrinkage = shrinkage
        self.random_state = random_state

    def fit(self, X, y):
        """Learns S_μ and S_ε.

        Args:
            X: array-like (images, features).
            y: array-like (images,), the identity of each, of any type that can be sorted. An
                identity with one image counts for what it says about S_μ + S_ε.

        Raises:
            ValueError: for features that are not finite, for less than two identities or none with
                two images, for images of one identity that are all equal, or if S_ε is singular
                and there is no shrinkage.
        """
        self._check_parameters()
        # Here for the requirements on y; the features are looked at below.
        X, y = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2
        )
        X = check_features(self, X)
        _, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            raise ValueError(
                "All features are of one identity: Joint Bayesian learns from two or more."
            )
        if counts.max() < 2:
            raise ValueError(
                "No identity has two images, so nothing tells how images of one identity vary: "
                "give some identities two images or more."
            )

        self.mean_ = X.mean(axis=0)
        self.pca_ = None
        if self.n_components is not None:
            self.pca_ = PCA(self.n_components, random_state=self.random_state).fit(X)
        contrasts, groups = _by_identity(self._centre(X), labels, counts)
        model = _Model(contrasts, groups, self.shrinkage)
        self.shrinkage_ = model.shrinkage

        likelihoods = [model.log_likelihood()]
        self.converged_ = False
        for self.n_iter_ in range(1, self.max_iter + 1):
            model.step()
            likelihoods.append(model.log_likelihood())
            self.converged_ = bool(likelihoods[-1] - likelihoods[-2] < self.tol)
            if self.converged_:
                break
        else:
            warnings.warn(
                f"Joint Bayesian did not converge in {self.max_iter} iterations, the last one "
                f"added {likelihoods[-1] - likelihoods[-2]:.2g} to the log-likelihood of an "
                "image: raise max_iter or tol.",
                ConvergenceWarning,
            )
        self.log_likelihoods_ = np.array(likelihoods)

        order = np.argsort(-model.variances, kind="stable")
        self.variances_ = model.variances[order]
        self.projection_ = model.basis[:, order]
        back = np.linalg.inv(self.projection_).T
        self.covariance_within_ = back @ back.T
        scaled = back * np.sqrt(self.variances_)
        self.covariance_between_ = scaled @ scaled.T
        return self

    def score_pairs(self, X1, X2):
        """Scores of pairs of features.

        Args:
            X1, X2: array-like (n, features), the first and the second face of every pair.

        Returns:
            float64 array (n,), log p(x1, x2 | same) - log p(x1, x2 | different), constants
            included: above 0 where the same identity is the likelier of the two.
        """
        a, b = self.transform(X1), self.transform(X2)
        check_same_length(a, b)
        return np.einsum("nd,nd->n", a, b) + self.offsets(a) + self.offsets(b)

    def transform(self, X):
        """Vectors t whose inner products, with `offsets`, are the scores.

        In the coordinates z = Vᵀ(x - mean) the score of two features is a sum over coordinates

            log(1 + λ) - log(1 + 2λ) / 2 + λ z1 z2 / (1 + 2λ)
                - (z1² + z2²) λ² / (2 (1 + λ) (1 + 2λ)).

        With t = z √(λ / (1 + 2λ)) and c the sum of the first two terms,

            score = t1 · t2 + h(t1) + h(t2),    h(t) = c / 2 - Σ t² λ / (2 (1 + λ)).

        So all scores of a gallery are one product of matrices and a number for each of its
        vectors; see `sparseface_tf.gallery.top_k`.

        Args:
            X: array-like (n, features).

        Returns:
            float64 array (n, d).
        """
        check_is_fitted(self)
        scale = np.sqrt(self.variances_ / (1 + 2 * self.variances_))
        return self._centre(check_features(self, X)) @ (self.projection_ * scale)

    def offsets(self, transformed):
        """h of `transform`: what the inner product lacks, for each of its two vectors.

        Args:
            transformed: array (n, d) that `transform` returned.

        Returns:
            float64 array (n,).
        """
        check_is_fitted(self)
        variances = self.variances_
        constant = np.sum(np.log1p(variances) - np.log1p(2 * variances) / 2)
        return (constant - np.square(transformed) @ (variances / (1 + variances))) / 2

    def score_matrix(self, A, B):
        """Scores of all pairs of two sets, as `score_pairs` gives them.

        Args:
            A, B: array-like (n, features) and (m, features).

        Returns:
            float64 array (n, m).
        """
        a, b = self.transform(A), self.transform(B)
        scores = a @ b.T
        scores += self.offsets(a)[:, None]
        scores += self.offsets(b)
        return scores

    def to_arrays(self):
        """What scores need, as a dict of float64 arrays; a PCA is multiplied into `projection`."""
        check_is_fitted(self)
        projection = self.projection_
        if self.pca_ is not None:
            projection = self.pca_.components_.T @ projection
        return {"mean": self.mean_, "projection": projection, "variances": self.variances_}

    @classmethod
    def from_arrays(cls, arrays):
        """The scorer that `to_arrays` was asked of; it scores, and knows no more than that.

        Args:
            arrays: dict, or an open `.npz` file, with "mean" (features,), "projection"
                (features, d) and "variances" (d,).

        Raises:
            ValueError: if they are not of these shapes, or make no sense.
        """
        mean, projection, variances = (
            np.asarray(arrays[name]) for name in ("mean", "projection", "variances")
        )
        if (mean.ndim, variances.ndim) != (1, 1) or projection.shape != (len(mean), len(variances)):
            raise ValueError(
                f"The parameters of Joint Bayesian do not fit: mean {mean.shape}, projection "
                f"{projection.shape}, variances {variances.shape}."
            )
        for values in (mean, projection, variances):
            if values.dtype != np.float64 or not np.isfinite(values).all():
                raise ValueError("The parameters of Joint Bayesian are not finite float64 numbers.")
        if (variances < 0).any():
            raise ValueError("The parameters of Joint Bayesian have a variance below 0.")
        scorer = cls()
        scorer.mean_, scorer.projection_, scorer.variances_ = mean, projection, variances
        scorer.pca_, scorer.n_features_in_ = None, len(mean)
        return scorer

    def _centre(self, X):
        return X - self.mean_ if self.pca_ is None else self.pca_.transform(X)

    def _check_parameters(self):
        if self.max_iter < 1:
            raise ValueError(f"max_iter must be 1 or more, got {self.max_iter}.")
        if self.tol < 0:
            raise ValueError(f"tol must be 0 or more, got {self.tol}.")
        number = not isinstance(self.shrinkage, str)
        if not (0 <= self.shrinkage <= 1 if number else self.shrinkage == "auto"):
            raise ValueError(f"shrinkage must be 'auto' or 0 to 1, got {self.shrinkage!r}.")

    @property
    def _n_features_out(self):
        return len(self.variances_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class _Model:
    """S_μ and S_ε during EM, with all that is known of the training images.

    An identity with m images, x1 … xm, says by an orthogonal change of variables the same as m
    independent vectors: m - 1 contrasts ~ N(0, S_ε), in which μ cancels out, and √m times the mean
    x̄ ~ N(0, S_ε + m S_μ). Contrasts, and means of identities with the same m, only ever enter as
    Σ a aᵀ in linearly changed coordinates: where there are more of them than dimensions, the
    triangular factor of a QR decomposition takes their place, so that an iteration costs the same
    for any number of images. Sums of squares are never formed by subtracting two large ones.

    Args:
        contrasts: (images - identities, d).
        groups: {m: means (number of identities with m images, d)}.
        shrinkage: as `JointBayesian`'s.

    Attributes:
        basis: V, (d, d).
        variances: diagonal of Λ, (d,).
        shrinkage: fraction a.
    """

    def __init__(self, contrasts, groups, shrinkage):
        d = contrasts.shape[1]
        # m and the number of identities that have as many images, columns.
        self._sizes = np.array(list(groups), np.float64)[:, None]
        self._counts = np.array([len(means) for means in groups.values()], np.float64)[:, None]
        self._images = float((self._sizes * self._counts).sum())
        self._identities = float(self._counts.sum())

        self._target = np.square(contrasts).mean()
        if self._target == 0:
            raise ValueError(
                "The images of every identity have equal features: nothing tells how images of "
                "one identity vary."
            )
        self.shrinkage = shrinkage
        if shrinkage == "auto":
            # One vector tells of one direction only; OAS comes to the same, with a warning.
            alone = len(contrasts) == 1
            self.shrinkage = 1.0 if alone else float(oas(contrasts, assume_centered=True)[1])
        freedom = len(contrasts)
        self._contrasts = _compressed(contrasts)
        if self.shrinkage == 0:
            rank = np.linalg.matrix_rank(self._contrasts)
            if rank < d:
                raise ValueError(
                    f"Images of one identity vary in {rank} directions only of {d}: give shrinkage "
                    "above 0, or n_components below."
                )
        means = [_compressed(means) for means in groups.values()]
        self._size = np.repeat(self._sizes, [len(m) for m in means], axis=0)
        self._means = np.concatenate(means)
        self.basis = np.eye(d)
        self.variances = np.zeros(d)

        # EM begins where analysis of variance ends: S_ε from the contrasts alone, and S_μ from
        # what the means vary more than S_ε explains.
        within = _square(self._contrasts) / freedom
        between = _square(self._means * np.sqrt(self._size)) / (self._identities - 1)
        self._move(between, self._shrunk(within))
        images = self._images - (self._counts * self._sizes**2).sum() / self._images
        images /= self._identities - 1
        # A direction that begins at 0 stays there: only where the means do not vary at all.
        self.variances = np.maximum(self.variances - 1, 0.01 * self.variances) / images

    def step(self):
        """One iteration of EM."""
        # Posterior of each identity: its variance (distinct m, d), and its expectation, which is
        # linear in the mean of the images.
        variance = self.variances / (1 + self._sizes * self.variances)
        explained = self._size * self.variances / (1 + self._size * self.variances)
        residual = self._means / (1 + self._size * self.variances)
        between = _square(self._means * explained)
        between[np.diag_indices_from(between)] += (self._counts * variance).sum(axis=0)
        within = _square(self._contrasts) + _square(residual * np.sqrt(self._size))
        within[np.diag_indices_from(within)] += (self._counts * self._sizes * variance).sum(axis=0)
        self._move(between / self._identities, self._shrunk(within / self._images))

    def log_likelihood(self):
        """Mean over the images of log p(all images), that of the prior included if there is one."""
        spread = 1 + self._sizes * self.variances
        twice = (
            self._means.shape[1] * self._images * np.log(2 * np.pi)
            + self._images * self._log_determinant()
            + np.square(self._contrasts).sum()
            + (self._counts * np.log(spread)).sum()
            + (self._size * self._means**2 / (1 + self._size * self.variances)).sum()
        )
        if 0 < self.shrinkage < 1:
            # Inverse Wishart, of which (1 - a) C + a T is the mode. With a = 1 it is a constant.
            weight = self.shrinkage / (1 - self.shrinkage) * self._images
            trace = self._target * np.square(self.basis).sum()
            twice += weight * (self._log_determinant() + trace)
        return -twice / (2 * self._images)

    def _log_determinant(self):
        """log |S_ε|."""
        return -2 * np.linalg.slogdet(self.basis)[1]

    def _shrunk(self, within):
        """S_ε after shrinkage, in the present coordinates."""
        if not self.shrinkage:
            return within
        target = self._target * _square(self.basis)
        return (1 - self.shrinkage) * within + self.shrinkage * target

    def _move(self, between, within):
        """Goes to the coordinates in which new S_μ and S_ε, given in the old ones, are diagonal."""
        variances, turn = scipy.linalg.eigh(between, within)
        # Rounding may leave a variance of 0 below it.
        self.variances = np.maximum(variances, 0)
        self.basis = self.basis @ turn
        self._contrasts = self._contrasts @ turn
        self._means = self._means @ turn


def _by_identity(X, labels, counts):
    """Contrasts and means of the images of every identity.

    Args:
        X: array (images, d).
        labels: integer array (images,), identities from 0.
        counts: integer array (identities,).

    Returns:
        contrasts: array (images - identities, d).
        groups: {m: means (number of identities with m images, d)}.
    """
    order, starts = np.argsort(labels, kind="stable"), np.cumsum(counts) - counts
    contrasts, groups = [], {}
    for m in np.unique(counts).tolist():
        images = X[order[starts[counts == m][:, None] + np.arange(m)]]
        groups[m] = images.mean(axis=1)
        # Helmert's: each image less the mean of those before, at the length of one image.
        before = np.arange(1.0, m)[:, None]
        contrast = images[:, 1:] - np.cumsum(images[:, :-1], axis=1) / before
        contrast *= np.sqrt(before / (before + 1))
        contrasts.append(contrast.reshape(-1, X.shape[1]))
    return np.concatenate(contrasts), groups


def _square(a):
    """aᵀ a, for which NumPy computes one half."""
    return a.T @ a


def _compressed(a):
    """At most as many rows as columns with the same aᵀ a."""
    return np.linalg.qr(a, mode="r") if len(a) > a.shape[1] else a
