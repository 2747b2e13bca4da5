"""One-to-many search: the best of a large gallery for each of a batch of probes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
from threadpoolctl import threadpool_limits


def top_k(
    probes,
    gallery,
    k,
    *,
    probe_offsets=None,
    gallery_offsets=None,
    block=2048,
    threads=None,
    progress=None,
):
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
    if not 1 <= k <= len(gallery):
        raise ValueError(
            f"The best {k} of a gallery of {len(gallery)} vectors were asked for: k must be from 1 "
            "to the number of vectors."
        )
    dtype = np.dtype(gallery.dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"The gallery must be of float32 or float64, got {dtype}.")
    probes = np.asarray(probes, dtype)
    if gallery_offsets is not None:
        gallery_offsets = np.asarray(gallery_offsets, dtype)
        if len(gallery_offsets) != len(gallery):
            raise ValueError(
                f"{len(gallery_offsets)} offsets were given for {len(gallery)} gallery vectors."
            )
        if not np.isfinite(gallery_offsets).all():
            raise ValueError("Some offsets of the gallery are not finite.")

    n, block = len(probes), max(block, k)
    best = np.full((n, k), -np.inf, dtype)
    indices = np.full((n, k), -1, np.int64)
    own, lock = threading.local(), threading.Lock()

    def search(start):
        vectors = gallery[start : start + block]
        if not hasattr(own, "scores"):
            own.scores = np.empty((n, block), dtype)
        # The last block may be smaller. A product goes straight into an array without gaps only.
        whole = len(vectors) == block
        scores = own.scores if whole else np.empty((n, len(vectors)), dtype)
        np.matmul(probes, vectors.T, out=scores)
        highest = scores.max(axis=1)
        # The maximum passes NaN on.
        if not np.isfinite(highest).all():
            raise ValueError(
                f"Scores with gallery vectors {start} to {start + len(vectors) - 1} are not "
                "finite: the gallery or the probes hold NaN, infinity, or values too large for "
                "their type."
            )
        if gallery_offsets is not None:
            # No score can be higher: so offsets need not be added to those of most probes.
            offsets = gallery_offsets[start : start + block]
            highest += offsets.max()
        # Equal ones too: blocks come in any order, and a lower index goes before a higher one.
        # Another thread may raise the k-th best meanwhile, which costs a vain look at most.
        rows = np.flatnonzero(highest >= best[:, -1])
        if len(rows):
            scores = scores[rows]
            if gallery_offsets is not None:
                scores += offsets
            with lock:
                _merge(best, indices, rows, scores, start)

    starts = range(0, len(gallery), block)
    with threadpool_limits(1), ThreadPoolExecutor(threads or joblib.cpu_count()) as pool:
        done = pool.map(search, starts)
        for _ in progress(done, total=len(starts)) if progress else done:
            pass
    if probe_offsets is not None:
        best += np.asarray(probe_offsets, dtype)[:, None]
    return best, indices


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
