"""Sources of faces: what images there are, whose, and with which landmarks."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.sources.boxed_faces import BoxedFace, BoxedFaces
    from pipelines.sources.folder import FolderFaces
    from pipelines.sources.joined import JoinedFaces
    from pipelines.sources.lfw import LFWFaces
    from pipelines.sources.opening import open_faces
    from pipelines.sources.subset import Subset, cap_images, split_identities, split_images
    from pipelines.sources.synthetic import SyntheticFaces

__all__ = [
    "BoxedFace",
    "BoxedFaces",
    "FolderFaces",
    "JoinedFaces",
    "LFWFaces",
    "Subset",
    "SyntheticFaces",
    "cap_images",
    "open_faces",
    "split_identities",
    "split_images",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
