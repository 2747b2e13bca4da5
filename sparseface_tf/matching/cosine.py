"""The cosine of two features as a score, for one pair or for all pairs of two sets."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparseface_tf.matching.features import check_features, check_same_length


class Cosine:
    """Scores two features by their cosine, with the methods of `JointBayesian`.

    A scikit-learn estimator without its base classes: importing these takes a second, which
    recognition does without. There is nothing to learn, so `fit` may be left out. float32 features are scored in float32,
    all others in float64.

    Example:

    ```python
    scores = Cosine().score_pairs(features[pairs[:, 0]], features[pairs[:, 1]])
    ```
    """

    def __repr__(self) -> str:
        return "Cosine()"

    def fit(self, X: ArrayLike, y: object = None) -> "Cosine":
        """Learns nothing; checks X, an array (images, features)."""
        self._check(X, reset=True)
        return self

    def score_pairs(self, X1: ArrayLike, X2: ArrayLike) -> NDArray[np.floating]:
        """Cosine of every row of X1 with the same row of X2, arrays (n, features); float (n,)."""
        a, b = self._check(X1), self._check(X2)
        check_same_length(a, b)
        return cosine_similarity(a, b)

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Rows of X (n, features) at unit length; their inner products are the scores.

        A row of zeros stays so: its cosine with anything is 0.
        """
        return self._transform(X)

    def _transform(self, X):
        """`transform` as an array, whatever scikit-learn's `set_output` says."""
        vectors: Any = self._check(X)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(norms > 0, norms, 1)

    def fit_transform(self, X: ArrayLike, y: object = None) -> NDArray[np.floating]:
        """`fit` and `transform`."""
        return self.fit(X, y).transform(X)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings: there are none."""
        return {}

    def set_params(self, **params: Any) -> "Cosine":
        """Sets none; a ValueError for any other."""
        if params:
            raise ValueError(f"Cosine has no setting {min(params)}.")
        return self

    def offsets(self, transformed: NDArray) -> NDArray[np.floating]:
        """What an inner product lacks to be the score, as in `JointBayesian`: zeros (n,)."""
        return np.zeros(len(transformed), np.asarray(transformed).dtype)

    def score_matrix(self, A: ArrayLike, B: ArrayLike) -> NDArray[np.floating]:
        """Cosine of every row of A (n, features) with every row of B (m, features): (n, m)."""
        return self._transform(A) @ self._transform(B).T

    def _check(self, X, reset=False):
        return check_features(self, X, reset, dtype=[np.float64, np.float32])

    def __sklearn_tags__(self):
        # Only scikit-learn asks for it, and so has been imported.
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags  # noqa: PLC0415

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=["float64", "float32"]),
            input_tags=InputTags(),
            requires_fit=False,
        )


def cosine_similarity(a: NDArray, b: NDArray) -> NDArray[np.floating]:
    """Row by row cosine of two arrays (n, d), float (n,); 0 where a feature is all zero."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("nd,nd->n", a, b) / np.maximum(norms, np.finfo(np.float32).tiny)
