"""Some aligned faces of a source, as arrays."""

import numpy as np

from pipelines.batches.batches import image_batches
from pipelines.sources import open_faces
from sparseface_tf.embedding.embeddings import Faces


def some_faces(name, count, region, *, seed=0, skip=0):
    """Draws faces from a source.

    Args:
        name: a source, see `open_faces`.
        count: how many.
        region: the `Region` to cut out.
        seed: of the draw, and of rendered people.
        skip: how many to leave out at the beginning of the draw.

    Returns:
        float32 array (count, height, width, channels), normalised as for training.

    Raises:
        ValueError: if there are not so many, or one cannot be read.
        OSError: if there is no such source.
    """
    # Every rendered face is of another person.
    rendered = dict(identities=max(2, count + skip), images_per_identity=1, seed=seed)
    source = open_faces(name, **(rendered if name == "synthetic" else {}))
    if len(source) < count + skip:
        raise ValueError(
            f"{name} has {len(source)} images, {count + skip} are asked for: ask for fewer."
        )
    images = np.random.default_rng(seed).permutation(len(source))[skip : skip + count]
    with Faces(source, name).naming_the_image(images):
        batches = [*image_batches(source, images, region=region).as_numpy_iterator()]
    return np.concatenate(batches)
