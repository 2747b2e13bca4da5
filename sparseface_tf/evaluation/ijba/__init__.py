"""IJB-A (Klare et al., CVPR 2015): verification and search of templates.

A template is a set of photographs and video frames of one person. Two are compared by the mean score of
all pairs of their faces, or by features: means over media, a video counting as one medium, the mean of
its frames.

* `tables`: the published tables. `templates`: what templates are made of, and how they are compared.
* `verification`: 1:1. `search`: 1:N.
"""

from sparseface_tf.evaluation.ijba.search import (
    SearchSplit,
    TemplateSearch,
    evaluate_search,
    read_search,
)
from sparseface_tf.evaluation.ijba.tables import SPLITS, read_faces, splits_in
from sparseface_tf.evaluation.ijba.templates import FUSIONS, Templates, TemplateTest, pool
from sparseface_tf.evaluation.ijba.verification import (
    TemplateVerification,
    VerificationSplit,
    evaluate_verification,
    read_verification,
)

__all__ = [
    "FUSIONS",
    "SPLITS",
    "SearchSplit",
    "TemplateSearch",
    "TemplateTest",
    "TemplateVerification",
    "Templates",
    "VerificationSplit",
    "evaluate_search",
    "evaluate_verification",
    "pool",
    "read_faces",
    "read_search",
    "read_verification",
    "splits_in",
]
