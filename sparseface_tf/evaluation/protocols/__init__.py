"""The protocols by name, each from its data and lists to what the report shows.

A protocol opens its lists when it is made, so that what is wrong with them shows before anything
is embedded; `run` then takes features and a scorer.
"""

from typing import Any

from sparseface_tf.evaluation.protocols.ijba_templates import IjbaSearch, IjbaVerification
from sparseface_tf.evaluation.protocols.lfw_pairs import Lfw, LfwView1
from sparseface_tf.evaluation.protocols.lfw_search import Blufr, LfwIdentification
from sparseface_tf.evaluation.protocols.pair_protocol import NamedPairs
from sparseface_tf.evaluation.protocols.place import Place
from sparseface_tf.evaluation.protocols.youtube_faces import YouTubeFaces

__all__ = ["PROTOCOLS", "Place"]

PROTOCOLS: dict[str, Any] = {
    "lfw": Lfw,
    "lfw_view1": LfwView1,
    "lfw_identification": LfwIdentification,
    "blufr": Blufr,
    "ytf": YouTubeFaces,
    "ijba_verification": IjbaVerification,
    "ijba_search": IjbaSearch,
    "pairs": NamedPairs,
}
