"""What the estimators that score features ask of them."""

import numpy as np
from sklearn.utils.validation import validate_data


def check_features(estimator, X, reset=False, dtype=np.float64):
    """Returns features as an array (images, features) of the type asked for.

    Args:
        estimator: scikit-learn estimator that the features are for. It remembers or compares
            their number, and their names if X is a data frame.
        X: array-like (images, features).
        reset: whether the estimator is being fitted.
        dtype: NumPy type, or a list of them of which the first is taken if X has none of them.

    Raises:
        ValueError: if X is not two-dimensional, has another number of features than the estimator
            was fitted to, or is not finite.
    """
    # Finite or not is found here: scikit-learn's message takes several lines and does not say
    # where.
    X = validate_data(estimator, X, reset=reset, dtype=dtype, ensure_all_finite=False)
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(X)} rows of features hold NaN or infinity, the first is row "
            f"{bad[0]}: leave these images out, or mend the network that gave the features."
        )
    return X


def check_same_length(X1, X2):
    """Raises ValueError unless two arrays of features have a row each for every pair."""
    if X1.shape != X2.shape:
        raise ValueError(
            f"Pairs need two arrays of one shape, a row for each face of every pair, got "
            f"{X1.shape} and {X2.shape}."
        )


def check_labels(y):
    """Raises ValueError if labels (n,) have a missing one: None, NaN, or pandas' NA."""
    missing = [i for i, label in enumerate(y) if label is None or not _equals_itself(label)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(y)} labels are missing, the first is that of row {missing[0]}: leave "
            "these images out."
        )


def _equals_itself(label):
    try:
        return bool(label == label)
    except TypeError:  # pandas' NA is neither true nor false
        return False
