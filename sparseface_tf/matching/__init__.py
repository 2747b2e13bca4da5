"""How features are compared: Joint Bayesian, cosine, nearest centre; pairs and search.

* `JointBayesian`, `Cosine`: scores of two features; scikit-learn estimators with the same methods.
* `NearestCentre`: names the class of a feature.
* `best_threshold`, `verification_accuracy`, `correct_decisions`: whether pairs are of one identity.
* `top_k`: the best of a large gallery.
* `embed`: features of batches of images.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.matching.cosine import Cosine, cosine_similarity
    from sparseface_tf.matching.gallery import top_k
    from sparseface_tf.matching.joint_bayesian import JointBayesian
    from sparseface_tf.matching.nearest_centre import NearestCentre
    from sparseface_tf.matching.verification import (
        Verification,
        best_threshold,
        correct_decisions,
        embed,
        verification_accuracy,
    )

__all__ = [
    "Cosine",
    "JointBayesian",
    "NearestCentre",
    "Verification",
    "best_threshold",
    "correct_decisions",
    "cosine_similarity",
    "embed",
    "top_k",
    "verification_accuracy",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
