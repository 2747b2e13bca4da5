"""One template a person: all photographs of a person used together."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclasses.dataclass(frozen=True)
class Templates:
    """The people that a search is among.

    A template is the mean of the features of a person's faces. On people that the network was not
    trained on it named more of the known faces, at every rate of false accepts, than the mean or
    the highest of the scores with the single faces (docs/results/recognition.md).

    Attributes:
        names: the people, each once, in the order of their first faces.
        features: float32 array (people, features).
        photographs: int64 array (people,), of how many faces each is the mean.
    """

    names: list[str]
    features: NDArray[np.float32]
    photographs: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], features: ArrayLike) -> "Templates":
        """From faces.

        Args:
            names: list of n strings, whose each is.
            features: float array (n, features).

        Raises:
            ValueError: if there is not one name for each face.
        """
        vectors = np.asarray(features, np.float32)
        if len(names) != len(vectors):
            raise ValueError(f"{len(names)} names were given for {len(vectors)} faces.")
        numbers: dict[str, int] = {}
        person = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
        counts = np.bincount(person, minlength=len(numbers))
        sums = np.zeros((len(numbers), vectors.shape[1]), np.float64)
        np.add.at(sums, person, vectors)
        return cls([*numbers], (sums / counts[:, None]).astype(np.float32), counts)

    def __len__(self) -> int:
        return len(self.names)
