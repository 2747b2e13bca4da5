"""The protocols by name, each from its data and lists to what the report shows.

A protocol opens its lists when it is made, so that what is wrong with them shows before anything
is embedded; `run` then takes features and a scorer.
"""

import dataclasses

from sparseface_tf.named import Later

__all__ = ["PROTOCOLS", "Protocol"]


@dataclasses.dataclass(frozen=True)
class Protocol(Later):
    """Where the class of a protocol is; it is called with a `place.Place`.

    Attributes:
        learns: whether a scorer may be learned from the protocol's own images.
    """

    learns: bool = False


_PAIRS = f"{__name__}.lfw_pairs"
_SEARCH = f"{__name__}.lfw_search"
_TEMPLATES = f"{__name__}.ijba_templates"

PROTOCOLS = {
    "lfw": Protocol(_PAIRS, "Lfw"),
    "lfw_view1": Protocol(_PAIRS, "LfwView1"),
    "lfw_identification": Protocol(_SEARCH, "LfwIdentification"),
    "blufr": Protocol(_SEARCH, "Blufr", learns=True),
    "ytf": Protocol(f"{__name__}.youtube_faces", "YouTubeFaces"),
    "ijba_verification": Protocol(_TEMPLATES, "IjbaVerification"),
    "ijba_search": Protocol(_TEMPLATES, "IjbaSearch"),
    "pairs": Protocol(f"{__name__}.pair_protocol", "NamedPairs"),
}
