"""What every source of faces has, whatever it reads: the argument that most functions take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf


class Faces(Protocol):
    """A source of faces: images, numbered from 0, each of an identity.

    Attributes:
        identities: names of the identities.
        labels: int32 array (n,), for every image its identity, a place in `identities`; ascending,
            so images of one identity stand together.
    """

    identities: list[str]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        """Number of images, n."""
        ...

    def name(self, i: int) -> str:
        """Name of image i, "IDENTITY/IMAGE"."""
        ...

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The image as a file, a scalar string tensor; runs in a tf.data graph as well."""
        ...

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads an image; runs in a tf.data graph as well.

        Args:
            index: scalar integer tensor.

        Returns:
            image: uint8 (height, width, 3).
            landmarks: float32 (5, 2), x and y in pixels of that image, integers at the centres of
                pixels; NaN if they are not known.

        Raises:
            tf.errors.OpError: if the image cannot be read.
        """
        ...
