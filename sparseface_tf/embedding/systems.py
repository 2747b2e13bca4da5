"""Systems that are evaluated: one network, or several whose features are joined (Sec. 5.5)."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from sparseface_tf.embedding.embedder import Embedder, find_model, open_embedder
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.runs import MODEL


@dataclasses.dataclass(frozen=True)
class System:
    """One network, or several whose features are joined.

    Attributes:
        name: what the report calls it.
        members: tuple of `Embedder`.
        flip: what becomes of the feature of the mirrored face: "average" takes the mean of both,
            "join" puts it behind the image's own, "none" does without.
    """

    name: str
    members: tuple[Embedder, ...]
    flip: str = "average"

    def features(
        self, cache: FeatureCache, faces: Faces, images: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Features of some images.

        Those of an ensemble's members are brought to unit length before they stand side by side:
        else the one with the longest features would decide, and the cosine of joined features is
        the mean of the members' cosines.

        Args:
            cache: `FeatureCache`.
            faces: `Faces`.
            images: integer array (n,).

        Returns:
            float32 array (n, d).
        """
        if len(self.members) == 1:
            return self.features_of(self.members[0], cache, faces, images)
        parts = (self.features_of(member, cache, faces, images) for member in self.members)
        return np.concatenate([normalize(part) for part in parts], axis=1).astype(np.float32)

    def features_of(
        self, member: Embedder, cache: FeatureCache, faces: Faces, images: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Features of some images by one `Embedder`, float32 (n, d)."""
        features = cache.features(member, faces, images)
        if self.flip == "none":
            return features
        mirrored = cache.features(member, faces, images, mirrored=True)
        if self.flip == "join":
            return np.concatenate([features, mirrored], axis=1)
        return (features + mirrored) / np.float32(2)

    def singles(self) -> list[System]:
        """The members as systems of their own."""
        names = [member.region.name for member in self.members]
        if len(set(names)) < len(names):
            names = different_parts([member.path for member in self.members])
        return [System(name, (m,), self.flip) for name, m in zip(names, self.members)]


def open_systems(
    models: Sequence[str],
    ensembles: Sequence[str],
    *,
    flip: str = "average",
    region: str = "",
    regions: str = "",
) -> list[System]:
    """Opens the systems that a command line names.

    Args:
        models: list of models, see `open_embedder`: a system each.
        ensembles: list of lists of models joined by commas, or patterns such as "runs/*/stage1":
            a system each.
        flip: see `System`.
        region, regions: see `open_embedder`.

    Each may have a name of its own in front: "dense=runs/faces/stage0".

    Returns:
        List of `System`.

    Raises:
        FileNotFoundError: if a model is not there.
        ValueError: for something that is no model, a name that stands twice, or an ensemble of
            less than two.
    """
    groups = [(*_named(text), False) for text in models]
    groups += [(*_named(text), True) for text in ensembles]
    opened, systems = {}, []
    paths = [_expand(text, ensemble) for _, text, ensemble in groups]
    unnamed = [i for i, (name, _, _) in enumerate(groups) if not name]
    defaults = dict(zip(unnamed, different_parts([_pattern(paths[i]) for i in unnamed])))
    for i, (name, _, _) in enumerate(groups):
        for path in paths[i]:
            if path not in opened:
                opened[path] = open_embedder(path, region, regions)
        members = tuple(opened[path] for path in paths[i])
        systems.append(System(name or defaults[i], members, flip))
    names = [system.name for system in systems]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f"Two models are called {min(twice)}: give each a name, as in --model=NAME=PATH."
        )
    return systems


def different_parts(paths: Sequence[str]) -> list[str]:
    """Short names of paths: what is behind the folders that they share, a list of strings."""
    if not paths:
        return []
    parts = [path.split(os.sep) for path in paths]
    parts = [names[:-1] if names[-1] == MODEL and names[:-1] else names for names in parts]
    if len(parts) == 1:
        return [os.sep.join(parts[0][-2:])]
    start = len(os.path.commonprefix(parts))
    return [os.sep.join(names[start:]) or path for names, path in zip(parts, paths)]


def _named(text):
    """(name or "", the rest) of "NAME=PATHS"."""
    match = re.fullmatch(r"([^=,*?]+)=(.+)", text)
    if match is None or os.path.exists(text):
        return "", text
    return match[1].strip(), match[2]


def _expand(text, ensemble):
    """Paths of the models that a text names."""
    if not ensemble:
        return [find_model(text)]
    paths = []
    for part in text.split(","):
        matches = sorted(glob.glob(part)) if re.search(r"[*?[]", part) else [part]
        if not matches:
            raise FileNotFoundError(f"No model matches {part}: check the pattern.")
        paths += [find_model(match) for match in matches]
    if len(set(paths)) < 2:
        raise ValueError(f"--models={text} is {len(set(paths))} model: an ensemble has two or more.")
    if len(set(paths)) < len(paths):
        raise ValueError(f"--models={text} has a model twice.")
    return paths


def _pattern(paths):
    """A path with a * where several differ."""
    if len(paths) == 1:
        return paths[0]
    parts = [path.split(os.sep) for path in paths]
    if len({*map(len, parts)}) > 1:
        return "+".join(different_parts(paths))
    return os.sep.join(same[0] if len({*same}) == 1 else "*" for same in zip(*parts))
