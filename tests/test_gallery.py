import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from threadpoolctl import threadpool_limits

from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.gallery import top_k
from sparseface_tf.matching.joint_bayesian import JointBayesian


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Products this small gain nothing by threads, and wait long for them on a busy machine."""
    with threadpool_limits(1):
        yield


def sorted_scores(scores, k):
    """The naive twin: sorts all scores, lower indices first among equal ones."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


@examples(150)
@given(
    seed=st.integers(0, 2**32 - 1),
    probes=st.integers(1, 5),
    size=st.integers(1, 60),
    k=st.integers(1, 8),
    block=st.integers(1, 70),
    dtype=st.sampled_from([np.float32, np.float64]),
    order=st.sampled_from(["none", "ascending", "descending"]),
    offsets=st.booleans(),
    threads=st.integers(1, 3),
)
def test_top_k_is_sorting(seed, probes, size, k, block, dtype, order, offsets, threads):
    # Small whole numbers: exact products and many equal scores.
    rng = np.random.default_rng(seed)
    a = rng.integers(-3, 4, (probes, 2)).astype(dtype)
    b = rng.integers(-3, 4, (size, 2)).astype(dtype)
    if order != "none":
        b = b[np.argsort(b[:, 0] * (1 if order == "ascending" else -1), kind="stable")]
    own = rng.integers(-3, 4, probes).astype(dtype) if offsets else None
    theirs = rng.integers(-3, 4, size).astype(dtype) if offsets else None
    k = min(k, size)
    scores, indices = top_k(
        a, b, k, probe_offsets=own, gallery_offsets=theirs, block=block, threads=threads
    )

    naive = a @ b.T
    if offsets:
        naive = naive + own[:, None] + theirs
    expected = sorted_scores(naive, k)
    np.testing.assert_array_equal(scores, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    assert scores.dtype == dtype


@pytest.mark.parametrize("scorer", [JointBayesian(tol=1e-2), Cosine()])
def test_the_scorers_scores_are_found(scorer):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), 3)
    features = (rng.normal(size=(100, 8))[labels] + rng.normal(size=(300, 8))).astype(np.float32)
    scorer.fit(features, labels)
    probes, gallery = scorer.transform(features[::30]), scorer.transform(features)
    scores, indices = top_k(
        probes,
        gallery,
        5,
        probe_offsets=scorer.offsets(probes),
        gallery_offsets=scorer.offsets(gallery),
        block=64,
    )
    expected = sorted_scores(scorer.score_matrix(features[::30], features), 5)
    np.testing.assert_allclose(scores, expected[0], rtol=1e-4, atol=1e-5)
    # An image is its own best in a gallery that holds it only for the cosine.
    np.testing.assert_array_equal(indices, expected[1])


def test_a_file_is_read_block_by_block(tmp_path):
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(500, 16)).astype(np.float32)
    np.save(tmp_path / "gallery.npy", gallery)

    class Watched:
        """A memory-mapped gallery that notes what is read of it."""

        file = np.load(tmp_path / "gallery.npy", mmap_mode="r")
        dtype = file.dtype
        read = []

        def __len__(self):
            return len(self.file)

        def __getitem__(self, rows):
            self.read.append(self.file[rows].shape[0])
            return self.file[rows]

    watched, seen = Watched(), []
    scores, indices = top_k(
        gallery[:3],
        watched,
        4,
        block=64,
        threads=1,
        progress=lambda blocks, total: map(seen.append, [total] * len(list(blocks))),
    )
    assert seen == [8] * 8
    assert max(watched.read) == 64 and sum(watched.read) == 500
    expected = sorted_scores(gallery[:3] @ gallery.T, 4)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(scores, expected[0], rtol=1e-5)


def test_bad_input():
    gallery = np.ones((5, 2), np.float32)
    with pytest.raises(ValueError, match="k must be from 1"):
        top_k(gallery, gallery, 6)
    with pytest.raises(ValueError, match="float32 or float64"):
        top_k(gallery, gallery.astype(int), 2)
    with pytest.raises(ValueError, match="4 offsets were given for 5"):
        top_k(gallery, gallery, 2, gallery_offsets=np.zeros(4))
    for probes, shape in ((gallery[0], r"\(2,\)"), (gallery[:, :1], r"\(5, 1\)"), (gallery[None], "5, 2")):
        with pytest.raises(ValueError, match=rf"of shape \(n, 2\), .* got .*{shape}"):
            top_k(probes, gallery, 2)
    with pytest.raises(ValueError, match=r"The gallery must be of shape \(m, d\)"):
        top_k(gallery, gallery[:, 0], 2)
    with pytest.raises(ValueError, match="5 offsets were given for 1 probes"):
        top_k(gallery[:1], gallery, 2, probe_offsets=np.zeros(5))
    gallery[3, 1] = np.nan
    with pytest.raises(ValueError, match="vectors 2 to 3 are not finite"):
        top_k(gallery[:1], gallery, 1, block=2)
