"""Trained networks, opened from any format, and the features that they give.

    embedder = open_embedder("runs/faces")
    features = embedder.network.predict_on_batch(crops)    # (n, height, width, channels) -> (n, features)
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.embedding.embedder import Embedder, find_model, open_embedder
    from sparseface_tf.embedding.embeddings import Faces, FeatureCache
    from sparseface_tf.embedding.systems import System, open_systems

__all__ = [
    "Embedder",
    "Faces",
    "FeatureCache",
    "System",
    "find_model",
    "open_embedder",
    "open_systems",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
