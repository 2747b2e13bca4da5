"""Exact search in a large gallery, against the plain product of matrices.

    python benchmarks/gallery.py [--identities=1000000] [--probes=256] [--features=512] [--k=10]

Prints, all measured in one run on random float32 vectors: scores per second of `top_k`, with an
offset for every gallery vector, over those of `probes @ gallery.T` into memory that is already at
hand, which leaves all the scores and finds none (goal: at least 0.9); over those of faiss'
`IndexFlatIP`, with the offset as one more dimension, whose index is built beforehand; and whether the
best of each probe are what the product's scores say, by both.
"""

import time

import numpy as np
from absl import app, flags

from sparseface_tf.matching.gallery import top_k

_IDENTITIES = flags.DEFINE_integer("identities", 1_000_000, "Gallery vectors.", lower_bound=1)
_PROBES = flags.DEFINE_integer("probes", 256, "Probes in the batch.", lower_bound=1)
_FEATURES = flags.DEFINE_integer("features", 512, "Features of a vector.", lower_bound=1)
_K = flags.DEFINE_integer("k", 10, "How many are searched for.", lower_bound=1)
_BLOCK = flags.DEFINE_integer("block", 2048, "Gallery vectors in a product.", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 3, "The best of that many runs counts.", lower_bound=1)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    rng = np.random.default_rng(0)
    size, d = _IDENTITIES.value, _FEATURES.value
    gallery = rng.standard_normal((size, d), np.float32)
    probes = rng.standard_normal((_PROBES.value, d), np.float32)
    offsets = rng.standard_normal(size, np.float32)
    all_scores = np.zeros((len(probes), size), np.float32)

    import faiss  # noqa: PLC0415, of the extra benchmarks

    index = faiss.IndexFlatIP(d + 1)
    index.add(np.concatenate([gallery, offsets[:, None]], axis=1))
    longer = np.concatenate([probes, np.ones((len(probes), 1), np.float32)], axis=1)

    plain, search, library = [], [], []
    # In turns, so that other work on the machine meets both alike.
    for _ in range(_REPEATS.value + 1):
        start = time.perf_counter()
        np.matmul(probes, gallery.T, out=all_scores)
        plain.append(time.perf_counter() - start)
        start = time.perf_counter()
        scores, indices = top_k(
            probes, gallery, _K.value, gallery_offsets=offsets, block=_BLOCK.value
        )
        search.append(time.perf_counter() - start)
        start = time.perf_counter()
        by_library, _ = index.search(longer, _K.value)
        library.append(time.perf_counter() - start)

    # The first of each is not counted.
    plain, search, library = (min(times[1:]) for times in (plain, search, library))
    print(f"{len(probes)} probes x {size} gallery vectors of {d} float32 features")
    top = f"exact top {_K.value}"
    for name, seconds in (("plain product", plain), (top, search), (f"faiss {top}", library)):
        rate = all_scores.size / seconds / 1e6
        print(f"{name:20} {seconds:7.2f} s  {rate:8.1f} million scores/s")
    print(f"ratio {plain / search:.2f} (goal: at least 0.9), to faiss {library / search:.2f} (above 1: it is faster than faiss)")

    # A product in other blocks may sum up in another order: equal but for rounding.
    all_scores += offsets
    kth = np.partition(all_scores, -_K.value, axis=1)[:, -_K.value]
    np.testing.assert_allclose(scores[:, -1], kth, rtol=1e-4)
    np.testing.assert_allclose(
        scores, np.take_along_axis(all_scores, indices, axis=1), rtol=1e-4, atol=1e-3
    )
    np.testing.assert_allclose(by_library, scores, rtol=1e-4, atol=1e-3)
    print("the scores found are the highest of all")


if __name__ == "__main__":
    app.run(main)
