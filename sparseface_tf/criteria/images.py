"""Batches of images for a criterion, with a progress bar."""

import numpy as np
import tqdm


def image_batches_of(images, title=None, size=64):
    """Batches of images without their labels.

    Args:
        images: array (n, height, width, channels), or an iterable of such batches, e.g. a
            `tf.data.Dataset`; of a batch that is a tuple the first entry is taken.
        title: what a progress bar says in front; empty for no bar.
        size: images in a batch where `images` is one array.

    Returns:
        Iterator over NumPy arrays.
    """
    if hasattr(images, "shape"):
        images = [images[start : start + size] for start in range(0, len(images), size)]
    for batch in tqdm.tqdm(images, desc=title, unit="batch", leave=False, disable=not title):
        yield np.asarray(batch[0] if isinstance(batch, (tuple, list)) else batch)


def labelled_batches_of(batches, title=None):
    """Batches (images, targets) as a model's `fit` takes them.

    Args:
        batches: iterable of such batches.
        title: what a progress bar says in front; empty for no bar.

    Returns:
        Iterator over (images, targets), tensors.

    Raises:
        ValueError: if a batch has no targets.
    """
    for batch in tqdm.tqdm(batches, desc=title, unit="batch", leave=False, disable=not title):
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise ValueError(
                "this criterion needs the loss, so it takes batches (images, targets) as the "
                "model is fitted with, of people that it was trained on: held-out people have no "
                "class."
            )
        yield batch[0], batch[1]
