"""Opening a source of faces by its name, as it stands on the command line."""

import os
import re
from typing import Any

import tensorflow as tf

from pipelines.faces.source import Faces
from pipelines.records.reading import INDEX, RecordFaces
from pipelines.sources.folder import FolderFaces
from pipelines.sources.joined import JoinedFaces
from pipelines.sources.lfw import LFWFaces
from pipelines.sources.names import NAMES
from pipelines.sources.synthetic import SyntheticFaces


def open_faces(
    name: str | os.PathLike,
    *,
    landmarks: str | None = "landmarks.csv",
    progress: bool = True,
    **synthetic: Any,
) -> Faces:
    """Opens any source of faces.

    Args:
        name: one of
            "synthetic": faces rendered on the fly (`SyntheticFaces`);
            "lfw": LFW, fetched by scikit-learn if need be (`LFWFaces`);
            "tfds:NAME" or "tfds:NAME:SPLIT": a data set of TensorFlow Datasets (`tfds_faces`);
            a folder that `write_records` wrote (`RecordFaces`);
            a folder IDENTITY/IMAGE on any file system that `tf.io.gfile` reads (`FolderFaces`);
            a pattern such as "/data/set*/", for all folders that it matches (`JoinedFaces`).
        landmarks: table of landmarks in each folder, see `FolderFaces`.
        progress: show progress bars.
        **synthetic: arguments of `SyntheticFaces`, for "synthetic" only.

    Returns:
        A source of faces.

    Raises:
        OSError: if there is no such source, or it cannot be read.
        ValueError: if it is no source of faces, or the name is of no known kind.
    """
    name = os.fspath(name)
    try:
        if name == "synthetic":
            return SyntheticFaces(**synthetic)
        if name == "lfw":
            return LFWFaces(landmarks=landmarks)
        if name.startswith("tfds:"):
            return _open_tfds(name.removeprefix("tfds:"), progress)
        return _open_folders(name, landmarks)
    except tf.errors.OpError as error:
        # A file system that is not there or does not answer.
        raise OSError(f"{name} cannot be read: {' '.join(error.message.split())}") from None


def _open_tfds(name, progress):
    """A data set of TensorFlow Datasets, which is an extra."""
    try:
        # Not there without its extra.
        from pipelines.sources.tfds_faces import tfds_faces  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "tensorflow_datasets":
            raise
        raise ValueError(
            f"tfds:{name} needs TensorFlow Datasets: pip install 'sparseface_tf[tfds]'."
        ) from None
    return tfds_faces(name, progress=progress)


def _open_folders(name, landmarks):
    """The folder of that name, or all folders that match it."""
    if tf.io.gfile.isdir(name):
        return _open_folder(name, landmarks)
    if re.search(r"[*?[]", name):
        matches = sorted({match.rstrip("/") for match in tf.io.gfile.glob(name.rstrip("/"))})
        folders = [match for match in matches if tf.io.gfile.isdir(match)]
        if not folders:
            raise FileNotFoundError(f"No folder matches {name}: check the pattern.")
        if len(folders) == 1:
            return _open_folder(folders[0], landmarks)
        return JoinedFaces(
            {part: _open_folder(f, landmarks) for part, f in zip(_parts(folders), folders)}
        )
    scheme, _, place = name.partition(":")
    if place.startswith("//"):
        try:
            # It says if the file system is unknown, or does not let us in.
            tf.io.gfile.stat(name)
        except tf.errors.NotFoundError:
            pass
    elif re.fullmatch(r"\w{2,}", scheme) and place:  # one letter would be a drive
        raise ValueError(f"{name}: there are no faces of the kind '{scheme}'; give {NAMES}.")
    raise FileNotFoundError(f"No folder {name}: give {NAMES}.")


def _open_folder(path, landmarks):
    """A folder of faces, of whatever kind."""
    if tf.io.gfile.exists(os.path.join(path, INDEX)):
        return RecordFaces(path)
    return FolderFaces(path, landmarks=landmarks)


def _parts(paths):
    """What tells paths from each other: all behind the folders that they share."""
    paths = [path.split("/") for path in paths]
    shared = len(os.path.commonprefix(paths))
    return ["/".join(names[shared:]) for names in paths]
