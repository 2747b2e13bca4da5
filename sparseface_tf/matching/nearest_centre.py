"""Classification by the nearest centre of a class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sparseface_tf.matching.features import check_features, check_labels


class NearestCentre(ClassifierMixin, BaseEstimator):
    """Names the class whose mean feature has the largest cosine with a feature.

    The poster's "Extracted feature + NearestOne"; its "smallest cosine similarity" can only mean
    the smallest distance. scikit-learn's NearestCentroid knows Euclidean and Manhattan distances.

    Attributes:
        classes_: the classes, sorted.
        centres_: float64 array (classes, features), the means of their features.
        n_features_in_, feature_names_in_: as scikit-learn's.

    Example:

    >>> NearestCentre().fit([[1, 0], [2, 0], [0, 1]], ["a", "a", "b"]).predict([[1, 3]]).tolist()
    ['b']
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> "NearestCentre":
        """Learns the centres.

        Args:
            X: array-like (images, features).
            y: array-like (images,), the class of each.

        Raises:
            ValueError: for features that are not finite, or missing labels.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite=False)
        check_labels(y)
        check_classification_targets(y)
        features = check_features(self, X)
        self.classes_, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), features.shape[1]))
        np.add.at(sums, labels, features)
        self.centres_ = sums / counts[:, None]
        return self

    def similarities(self, X: ArrayLike) -> NDArray[np.float64]:
        """Cosines with all centres, float64 (images, classes); 0 where a feature is zero."""
        check_is_fitted(self)
        return cosine_similarity(check_features(self, X), self.centres_)

    def predict(self, X: ArrayLike) -> NDArray:
        """The class of each feature, (images,); the first of equally near ones."""
        nearest = np.argmax(self.similarities(X), axis=1)
        return self.classes_[nearest]
