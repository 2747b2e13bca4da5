"""What Joint Bayesian learns by EM: how identities vary, and how images of one identity do.

EM works in coordinates z = Vᵀx in which S_ε is the identity and S_μ a diagonal matrix Λ, the
solution of S_μ v = λ S_ε v. There the posterior of an identity with m images is diagonal too,
whatever m is, and only S_ε, which is kept positive definite, is ever inverted: S_μ may be singular.
The data move along with V, so what is factorised is close to the identity matrix however badly
conditioned the features are.
"""

import numpy as np
import scipy.linalg
from sklearn.covariance import oas


class EM:
    """S_μ and S_ε during EM, with all that is known of the training images.

    An identity with m images, x1 … xm, says by an orthogonal change of variables the same as m
    independent vectors: m - 1 contrasts ~ N(0, S_ε), in which μ cancels out, and √m times the mean
    x̄ ~ N(0, S_ε + m S_μ). Contrasts, and means of identities with the same m, only ever enter as
    Σ a aᵀ in linearly changed coordinates: where there are more of them than dimensions, the
    triangular factor of a QR decomposition takes their place, so that an iteration costs the same
    for any number of images. Sums of squares are never formed by subtracting two large ones.

    Args:
        contrasts: (images - identities, d), see `by_identity`.
        groups: {m: means (number of identities with m images, d)}.
        shrinkage: as `JointBayesian`'s.

    Attributes:
        basis: V, (d, d).
        variances: diagonal of Λ, (d,).
        shrinkage: fraction a.

    Raises:
        ValueError: if the contrasts are all 0, or S_ε is singular and there is no shrinkage.
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
                "The images of every identity have equal features: nothing shows how images of "
                "one identity vary."
            )
        self.shrinkage = _fraction(shrinkage, contrasts)
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


def _fraction(shrinkage, contrasts):
    """The fraction a, a float, that `JointBayesian`'s `shrinkage` asks for."""
    if shrinkage != "auto":
        return shrinkage
    # One vector shows one direction only; OAS comes to the same, with a warning.
    return 1.0 if len(contrasts) == 1 else float(oas(contrasts, assume_centered=True)[1])


def by_identity(X, labels, counts):
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
