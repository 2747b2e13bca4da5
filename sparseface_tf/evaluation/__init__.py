"""Evaluation as the papers do it: a module for each protocol, with its reader and its numbers.

`Evaluator` does what evaluate.py does, from the settings of an `Evaluation`. Below it, a reader
gives the test, whose `images` say of which images features are needed, and a function makes the
numbers from those features and a scorer: an object with `score_pairs(a, b)`, features (n, d) and
(n, d) -> (n,), and `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m), higher for more alike.
Results are dataclasses of numbers, strings and tuples, for `dataclasses.asdict` and JSON.

* `settings`, `evaluator`, `scorers`, `report`: what evaluate.py does.
* `pairs`, `lfw`: lists of pairs; View 1 and View 2 of LFW.
* `identification`: closed and open set on LFW.
* `blufr`: BLUFR. `ytf`: YouTube Faces. `ijba`: IJB-A, 1:1 and 1:N.
* `metrics`, `search`: the rates that they share. `bootstrap`, `comparison`: what they allow to say.
* `protocols`: each of them from its lists to what a report shows. `page`, `plots`, `tables`: that.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.evaluation.bootstrap import interval_of_mean, interval_of_share
    from sparseface_tf.evaluation.comparison import Comparison, compare
    from sparseface_tf.evaluation.evaluator import Evaluator
    from sparseface_tf.evaluation.pairs import (
        PairResult,
        PairTest,
        evaluate_pairs,
        read_pair_test,
        score_pairs,
    )
    from sparseface_tf.evaluation.protocols import PROTOCOLS
    from sparseface_tf.evaluation.settings import Evaluation

__all__ = [
    "PROTOCOLS",
    "Comparison",
    "Evaluation",
    "Evaluator",
    "PairResult",
    "PairTest",
    "compare",
    "evaluate_pairs",
    "interval_of_mean",
    "interval_of_share",
    "read_pair_test",
    "score_pairs",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
