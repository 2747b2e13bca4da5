"""One-to-many search: the best of a large gallery for each of a batch of probes."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits


def top_k(
    probes: ArrayLike,
    gallery: Any,
    k: int,
    *,
    probe_offsets: ArrayLike | None = None,
    gallery_offsets: ArrayLike | None = None,
    block: int = 2048,
    threads: int | None = None,
    progress: Callable[..., Iterable] | None = None,
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """The k vectors of a gallery with the highest scores, exactly, for every probe.

    A score is the inner product plus an offset of each of the two vectors. So for `JointBayesian`
    as for `Cosine`, the gallery in float32:

    ```python
    vectors = scorer.transform(gallery_features).astype(np.float32)
    offsets = scorer.offsets(vectors).astype(np.float32)
    scores, who = top_k(scorer.transform(features), vectors, 10, gallery_offsets=offsets)
    ```

    lacks the probes' own offsets only, which change no order. The gallery is read block by block,
    and every thread holds one block's scores at a time. Of them only those are looked at that reach
    the k-th best of their probe so far; in a gallery without order these are few, and most probes
    are done with one maximum a block. Each thread takes blocks of its own: a product shared among
    threads would have them wait for each other block by block.

    Args:
        probes: float array (n, d). Products are computed in the gallery's type.
        gallery: float32 or float64 array (m, d), or what has a length, a `dtype` and slices like
            one, such as a memory-mapped file.
        k: how many.
        probe_offsets, gallery_offsets: float arrays (n,) and (m,); none: zeros.
        block: gallery vectors in one product. A block's scores, n · block, should fit into the
            cache of a core.
        threads: how many; by default one for each core.
        progress: called with an iterable that is done when the search is, and its length as
            `total`; returns one like it, as `tqdm.tqdm` does.

    Returns:
        scores: array (n, k) of the gallery's type, descending.
        indices: int64 array (n, k) into the gallery; among equal scores the lower ones come first.

    Raises:
        ValueError: for shapes that do not fit, a gallery of less than k vectors, or scores that
            are not finite.
    """
    vectors, offsets = _checked(probes, gallery, k, gallery_offsets)
    if probe_offsets is not None and np.shape(probe_offsets) != (len(vectors),):
        raise ValueError(f"{np.size(probe_offsets)} offsets were given for {len(vectors)} probes.")
    block = max(block, k)
    best = _Best(len(vectors), k, vectors.dtype)
    products = _Products(vectors, gallery, block)

    def search(start):
        of_block = None if offsets is None else offsets[start : start + block]
        best.take(products(start), start, of_block)

    starts = range(0, len(gallery), block)
    with threadpool_limits(1), ThreadPoolExecutor(threads or joblib.cpu_count()) as pool:
        done = pool.map(search, starts)
        for _ in progress(done, total=len(starts)) if progress else done:
            pass
    if probe_offsets is not None:
        best.scores += np.asarray(probe_offsets, vectors.dtype)[:, None]
    return best.scores, best.indices


def _checked(probes, gallery, k, offsets):
    """The probes and the gallery's offsets in the gallery's type, or ValueError."""
    probes = np.asarray(probes)
    # What has slices only is looked at when it is read.
    shape = getattr(gallery, "shape", (len(gallery), *probes.shape[1:]))
    if len(shape) != 2 and hasattr(gallery, "shape"):
        raise ValueError(f"The gallery must be of shape (m, d), a vector a row, got {shape}.")
    if probes.ndim != 2 or probes.shape[1] != shape[1]:
        wanted = shape[1] if len(shape) == 2 else "d"
        raise ValueError(
            f"The probes must be of shape (n, {wanted}), a vector a row as in the gallery, got "
            f"{probes.shape}."
        )
    if not 1 <= k <= len(gallery):
        raise ValueError(
            f"The best {k} of a gallery of {len(gallery)} vectors were asked for: k must be from 1 "
            "to the number of vectors."
        )
    dtype = np.dtype(gallery.dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"The gallery must be of float32 or float64, got {dtype}.")
    if offsets is not None:
        offsets = np.asarray(offsets, dtype)
        if offsets.shape != (len(gallery),):
            raise ValueError(
                f"{offsets.size} offsets were given for {len(gallery)} gallery vectors."
            )
        if not np.isfinite(offsets).all():
            raise ValueError("Some offsets of the gallery are not finite.")
    return np.asarray(probes, dtype), offsets


class _Products:
    """Inner products of all probes with one block of the gallery.

    Every thread has an array of its own for them, which its next block overwrites.
    """

    def __init__(self, probes, gallery, block):
        self._probes, self._gallery, self._block = probes, gallery, block
        self._own = threading.local()

    def __call__(self, start):
        """Array (probes, block or less) of the products with the gallery from `start` on."""
        vectors = self._gallery[start : start + self._block]
        n, dtype = len(self._probes), self._probes.dtype
        if not hasattr(self._own, "scores"):
            self._own.scores = np.empty((n, self._block), dtype)
        # The last block may be smaller. A product goes straight into an array without gaps only.
        whole = len(vectors) == self._block
        scores = self._own.scores if whole else np.empty((n, len(vectors)), dtype)
        return np.matmul(self._probes, vectors.T, out=scores)


class _Best:
    """The best scores of every probe so far, to which threads add block by block.

    Attributes:
        scores, indices: arrays (n, k), as `top_k` returns them.
    """

    def __init__(self, n, k, dtype):
        self.scores = np.full((n, k), -np.inf, dtype)
        self.indices = np.full((n, k), -1, np.int64)
        self._lock = threading.Lock()

    def take(self, scores, start, offsets):
        """Takes what a block has that is better.

        Args:
            scores: array (n, block), without offsets.
            start: gallery index of the first column.
            offsets: array (block,), or None.
        """
        highest = scores.max(axis=1)
        # The maximum passes NaN on.
        if not np.isfinite(highest).all():
            raise ValueError(
                f"Scores with gallery vectors {start} to {start + scores.shape[1] - 1} are not "
                "finite: the gallery or the probes hold NaN, infinity, or values too large for "
                "their type."
            )
        if offsets is not None:
            # No score can be higher: so offsets need not be added to those of most probes.
            highest += offsets.max()
        # Equal ones too: blocks come in any order, and a lower index goes before a higher one.
        # Another thread may raise the k-th best meanwhile, which costs a vain look at most.
        rows = np.flatnonzero(highest >= self.scores[:, -1])
        if len(rows):
            scores = scores[rows]
            if offsets is not None:
                scores += offsets
            with self._lock:
                _merge(self.scores, self.indices, rows, scores, start)


def _merge(best, indices, rows, scores, start):
    """Brings a block's scores into the best so far, in place.

    Args:
        best, indices: arrays (n, k), as `top_k` returns them.
        rows: integer array (r,), probes that may have a score from their k-th best on.
        scores: array (r, block) of these probes.
        start: gallery index of the first column.
    """
    k = best.shape[1]
    reaching = scores.max(axis=1) >= best[rows, -1]
    rows, scores = rows[reaching], scores[reaching]
    better = scores >= best[rows, -1:]
    if better.sum() > 4 * k * len(rows):
        # The first block, or a gallery in ascending order: to sort them all would take long.
        better &= scores >= np.partition(scores, -k, axis=1)[:, -k, None]
    row, column = np.nonzero(better)
    row = np.concatenate([np.repeat(np.arange(len(rows)), k), row])
    candidates = np.concatenate([best[rows].ravel(), scores[better]])
    which = np.concatenate([indices[rows].ravel(), start + column])
    order = np.lexsort([which, -candidates, row])
    # The first k of each row, which begins behind all the rows before it.
    counts = np.bincount(row, minlength=len(rows))
    first = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
    best[rows], indices[rows] = candidates[first], which[first]
