import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.matching.verification import best_threshold, verification_accuracy


@examples(200)
@example([(-1.0, False), (-0.9999999999999999, True)])
@given(
    data=st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]) | st.floats(-1, 1), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_no_threshold_is_better_than_the_best(data):
    scores = np.array([score for score, _ in data])
    same = np.array([same for _, same in data])
    threshold = best_threshold(scores, same)
    accuracy = np.mean((scores >= threshold) == same)
    for other in [*scores, scores.min() - 1, scores.max() + 1]:
        assert accuracy >= np.mean((scores >= other) == same)


def test_threshold_comes_from_the_other_folds():
    # In fold 1 everything is shifted: its own best threshold would do, fold 0's does not.
    scores = np.array([0.9, 0.1, 0.8, 0.2, 0.9 - 2, 0.1 - 2, 0.8 - 2, 0.2 - 2])
    same = np.array([True, False] * 4)
    folds = np.repeat([0, 1], 4)
    result = verification_accuracy(scores, same, folds)
    assert result.fold_accuracies == (0.5, 0.5)
    assert 0.2 < result.thresholds[1] < 0.8 and -1.8 < result.thresholds[0] < -1.2


def test_mean_and_standard_error_are_lfws():
    rng = np.random.default_rng(0)
    same = np.tile([True, False], 300)
    scores = rng.normal(size=600) + 1.5 * same
    folds = np.repeat(np.arange(10), 60)
    result = verification_accuracy(scores, same, folds)
    accuracies = []
    for fold in range(10):
        train, test = folds != fold, folds == fold
        candidates = np.unique(scores[train])
        best = max(candidates, key=lambda t: np.mean((scores[train] >= t) == same[train]))
        accuracies.append(np.mean((scores[test] >= best) == same[test]))
    assert result.accuracy == pytest.approx(np.mean(accuracies), abs=0.01)
    assert result.standard_error == pytest.approx(
        np.std(result.fold_accuracies, ddof=1) / np.sqrt(10)
    )


def test_bad_input():
    with pytest.raises(ValueError, match="two folds"):
        verification_accuracy([0.1, 0.2], [True, False], [0, 0])
    with pytest.raises(ValueError, match="not finite"):
        verification_accuracy([0.1, np.nan], [True, False], [0, 1])
