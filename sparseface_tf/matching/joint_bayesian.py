"""Joint Bayesian: whether two features are of one identity, as a ratio of likelihoods.

Chen, Cao, Wen, Sun: "Bayesian Face Revisited: A Joint Formulation", ECCV 2012, in the way
DeepID2 uses it.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparseface_tf.matching import likelihood_ratio
from sparseface_tf.matching.em import EM, by_identity
from sparseface_tf.matching.features import check_features, check_labels, check_same_length


class JointBayesian(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Scores two features by log p(x1, x2 | same identity) - log p(x1, x2 | different ones).

    It is the two-covariance model of probabilistic linear discriminant analysis (PLDA), as speaker
    recognition has it: Brümmer and De Villiers, "The Speaker Partitioning Problem", Odyssey 2010.

    A feature, less the mean, is x = μ + ε: an identity μ ~ N(0, S_μ) that all its images share,
    and ε ~ N(0, S_ε) of each image alone. S_μ and S_ε are learned by EM with the exact posterior
    of every identity, its covariance included, so that the likelihood never falls. Everything is
    float64.

    Args:
        n_components: what goes to scikit-learn's PCA in front: a number of components, or a
            fraction of variance below 1. None: no PCA.
        max_iter: EM iterations at most. A `ConvergenceWarning` says so when they do not suffice.
        tol: EM stops when the mean log-likelihood of an image rises by less than this.
        shrinkage: fraction a of S_ε, from 0 to 1, that is (average variance within identities) ×
            identity matrix; 1 - a is the estimate. So directions in which images of one identity
            hardly vary, or were too few to show it, do not count without bound; S_μ is not
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
        self,
        n_components: int | float | None = None,
        *,
        max_iter: int = 100,
        tol: float = 1e-3,
        shrinkage: float | str = "auto",
        random_state: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.shrinkage = shrinkage
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> "JointBayesian":
        """Learns S_μ and S_ε.

        Args:
            X: array-like (images, features).
            y: array-like (images,), the identity of each, of any type that can be sorted. An
                identity with one image counts for what it says about S_μ + S_ε.

        Raises:
            ValueError: for features that are not finite, for less than two identities or none with
                two images, for missing labels, for more components than images or features, for images
                of one identity that are all equal, or if S_ε is singular and there is no shrinkage.
        """
        self._check_parameters()
        features, labels, counts = self._check_training(X, y)
        self.mean_ = features.mean(axis=0)
        self.pca_ = None
        if self.n_components is not None:
            self.pca_ = self._fitted_pca(features)
        contrasts, groups = by_identity(self._centre(features), labels, counts)
        model = EM(contrasts, groups, self.shrinkage)
        self.shrinkage_ = model.shrinkage
        self._iterate(model)

        order = np.argsort(-model.variances, kind="stable")
        self.variances_ = model.variances[order]
        self.projection_ = model.basis[:, order]
        back = np.linalg.inv(self.projection_).T
        self.covariance_within_ = back @ back.T
        scaled = back * np.sqrt(self.variances_)
        self.covariance_between_ = scaled @ scaled.T
        return self

    def _fitted_pca(self, features):
        most = min(features.shape)
        if self.n_components >= 1 and self.n_components > most:
            raise ValueError(
                f"{self.n_components} principal components were asked for, and {len(features)} training "
                f"images with {features.shape[1]} features have {most} at most."
            )
        pca = PCA(self.n_components, random_state=self.random_state)
        # Arrays, also where scikit-learn is set to give data frames.
        return pca.set_output(transform="default").fit(features)

    def _check_training(self, X, y):
        """The features, float64 (images, features), the identity of each from 0, and its images."""
        # Here for the requirements on y; the features are looked at below.
        X, y = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2
        )
        X = check_features(self, X)
        check_labels(y)
        _, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            raise ValueError(
                "All features are of one identity: Joint Bayesian learns from two or more."
            )
        if counts.max() < 2:
            raise ValueError(
                "No identity has two images, so nothing shows how images of one identity vary: "
                "give some identities two images or more."
            )
        return X, labels, counts

    def _iterate(self, model):
        """Runs EM until it converges, or `max_iter` is reached."""
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

    def score_pairs(self, X1: ArrayLike, X2: ArrayLike) -> NDArray[np.float64]:
        """Scores of pairs of features.

        Args:
            X1, X2: array-like (n, features), the first and the second face of every pair.

        Returns:
            float64 array (n,), log p(x1, x2 | same) - log p(x1, x2 | different), constants
            included: above 0 where the same identity is the likelier of the two.
        """
        a, b = self._transform(X1), self._transform(X2)
        check_same_length(a, b)
        return np.einsum("nd,nd->n", a, b) + self.offsets(a) + self.offsets(b)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Vectors t whose inner products, with `offsets`, are the scores.

        score = t1 · t2 + h(t1) + h(t2), see `sparseface_tf.matching.likelihood_ratio`. So all
        scores of a gallery are one product of matrices and a number for each of its vectors; see
        `sparseface_tf.matching.gallery.top_k`.

        Args:
            X: array-like (n, features).

        Returns:
            float64 array (n, d); a data frame where scikit-learn's `set_output` asks for one.
        """
        return self._transform(X)

    def _transform(self, X):
        """`transform` as an array, whatever `set_output` says."""
        check_is_fitted(self)
        scaled = self.projection_ * likelihood_ratio.scales(self.variances_)
        return self._centre(check_features(self, X)) @ scaled

    def offsets(self, transformed: NDArray) -> NDArray[np.float64]:
        """h of `transform`: what the inner product lacks, for each of its two vectors.

        Args:
            transformed: array (n, d) that `transform` returned.

        Returns:
            float64 array (n,).
        """
        check_is_fitted(self)
        return likelihood_ratio.offsets(np.asarray(transformed), self.variances_)

    def score_matrix(self, A: ArrayLike, B: ArrayLike) -> NDArray[np.float64]:
        """Scores of all pairs of two sets, as `score_pairs` gives them.

        Args:
            A, B: array-like (n, features) and (m, features).

        Returns:
            float64 array (n, m).
        """
        a, b = self._transform(A), self._transform(B)
        scores = a @ b.T
        scores += self.offsets(a)[:, None]
        scores += self.offsets(b)
        return scores

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """What scores need, as a dict of float64 arrays; a PCA is multiplied into `projection`."""
        check_is_fitted(self)
        projection = self.projection_
        if self.pca_ is not None:
            projection = self.pca_.components_.T @ projection
        return {"mean": self.mean_, "projection": projection, "variances": self.variances_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "JointBayesian":
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
        if self.n_components is not None and not self.n_components > 0:
            raise ValueError(f"n_components must be above 0, got {self.n_components}.")
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
