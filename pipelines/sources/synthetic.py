"""The embedded data set: faces rendered by the project itself, made on the fly.

A person is a draw of the variables in `rendering.IDENTITY`, a picture of them a draw of those in
`rendering.SCENE` and `rendering.EVENTS`. People that no model has seen are therefore samples of
the distribution it was trained on, and any number of them costs no memory and no file.
"""

import numpy as np
import tensorflow as tf

from pipelines.sources import rendering

LANDMARK_JITTER = 1.0 / 128  # spread of a landmark detector's error, of the picture's width


def _sample(table, key, share=1.0):
    """Draws every variable of a table {name: (mean, spread)}, a share of the spread; {name: scalar}."""
    mean, spread = np.array(list(table.values()), np.float32).T * np.float32([[1], [share]])
    normal = tf.random.stateless_normal([len(table)], key)
    # Cut off, so that no feature leaves the range in which a face is still a face.
    return dict(zip(table, tf.unstack(mean + spread * tf.clip_by_value(normal, -2.0, 2.0))))


class SyntheticFaces:
    """Rendered faces of invented people, with known landmarks.

    Every picture is a pure function of (seed, index): it is the same in any order, in parallel
    and in any process, which is what resuming and sharding need.

    Args:
        identities: Number of people, at least 2.
        images_per_identity: Pictures of each of them.
        seed: Another seed gives other people.
        size: Height and width of the pictures in pixels, at least 32.
        variation: How much pictures of a person differ, in [0, 1]: a share of the spreads in
            `rendering.SCENE` and of the chances in `rendering.EVENTS`. Less is easier.

    Attributes:
        identities: Names of the people, a list of strings.
        labels: int32 array (n,), the position in `identities` of every picture's person;
            pictures of one person are contiguous.

    Example:

        faces = SyntheticFaces(identities=10, images_per_identity=4)
        pictures = tf.data.Dataset.range(len(faces)).map(faces.load, tf.data.AUTOTUNE)
    """

    def __init__(
        self,
        identities: int = 400,
        images_per_identity: int = 20,
        seed: int = 0,
        size: int = 128,
        variation: float = 1.0,
    ) -> None:
        if identities < 2:
            raise ValueError(f"identities is {identities}: set it to 2 or more, as verification "
                             "needs pairs of different people.")
        if images_per_identity < 1:
            raise ValueError(f"images_per_identity is {images_per_identity}: set it to 1 or more.")
        if size < 32:
            raise ValueError(f"size is {size}: set it to 32 pixels or more.")
        if not 0 <= variation <= 1:
            raise ValueError(f"variation is {variation}: set it to a number from 0 to 1.")
        self.identities = [f"synthetic_{i:04d}" for i in range(identities)]
        self.labels = np.repeat(np.arange(identities, dtype=np.int32), images_per_identity)
        self.images_per_identity = images_per_identity
        self.seed = seed
        self.size = size
        self.variation = variation

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        """The name of picture i for logs, such as "synthetic_0007/0003.png"."""
        identity, image = divmod(int(i), self.images_per_identity)
        return f"{self.identities[identity]}/{image:04d}.png"

    def person(self, identity: int | tf.Tensor) -> dict[str, tf.Tensor]:
        """Shape and albedo of a person.

        Args:
            identity: Integer scalar, a position in `identities`.

        Returns:
            Mapping of the names in `rendering.IDENTITY` to float32 scalars.
        """
        # Negative, so that no person shares random numbers with a picture.
        return _sample(rendering.IDENTITY, self._key(-1 - tf.cast(identity, tf.int64)))

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Renders one picture, with TensorFlow operations only.

        Args:
            index: Integer scalar, 0 … len(self) - 1.

        Returns:
            The picture, uint8 (size, size, 3), and the landmarks as a detector would give them,
            float32 (5, 2): x, y in pixels of left eye, right eye, nose, left and right mouth
            corner; left is the viewer's left.
        """
        return self._load(tf.cast(index, tf.int64))

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The picture as a PNG file, a string tensor."""
        return tf.io.encode_png(self.load(index)[0])

    # Compiled to a graph also when called eagerly: then rounding is the same in and out of tf.data.
    @tf.function(autograph=False)
    def _load(self, index):
        scene_key, event_key, draw_key, detector_key = tf.unstack(
            tf.random.split(self._key(index), 4))
        chances = tf.constant(list(rendering.EVENTS.values())) * self.variation
        happens = tf.random.stateless_uniform([len(rendering.EVENTS)], event_key) < chances
        image, landmarks = rendering.draw(
            self.person(index // self.images_per_identity),
            _sample(rendering.SCENE, scene_key, self.variation),
            dict(zip(rendering.EVENTS, tf.unstack(tf.cast(happens, tf.float32)))),
            draw_key, self.size)
        error = tf.random.stateless_normal([5, 2], detector_key) * (LANDMARK_JITTER * self.size)
        # A detector's point stays in the picture, even where the true one were just outside.
        return image, tf.clip_by_value(landmarks + error, 0.0, self.size - 1.0)

    def _key(self, number):
        return tf.stack([tf.constant(self.seed, tf.int64), number])
