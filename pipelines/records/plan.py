"""Which images stand in which shard."""

import numpy as np
from numpy.typing import NDArray


def plan_shards(
    labels: NDArray[np.integer], images_per_shard: int, group: int, seed: int
) -> list[NDArray[np.int64]]:
    """Which images stand in which shard, in order.

    Args:
        labels: integer array (n,), ascending.
        images_per_shard: about as many images a shard.
        group: about as many images of an identity stand together; no group of an identity with
            several images has only one.
        seed: integer.

    Returns:
        List of int64 arrays, the numbers of the images in each shard.
    """
    generator = np.random.default_rng([seed, 3])
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    groups: list[NDArray[np.int64]] = []
    for images in np.split(np.arange(len(labels)), starts[1:]):
        images = generator.permutation(images)
        number = min(round(len(images) / group), len(images) // 2)
        groups += np.array_split(images, max(1, number))
    order = generator.permutation(len(groups))
    shards = max(1, round(len(labels) / images_per_shard))
    # A shard ends with the group in which its share is complete.
    ends = np.cumsum([len(groups[g]) for g in order])
    of_shard = np.minimum((ends - 1) * shards // len(labels), shards - 1)
    parts = [[groups[g] for g in order[of_shard == shard]] for shard in range(shards)]
    return [np.concatenate(part) for part in parts if part]
