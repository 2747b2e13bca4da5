"""Pairs and batches: what is drawn, and that it depends on seed and step alone."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st
from properties import examples

from pipelines.batches.batches import image_batches, pair_batches, served
from pipelines.batches.pairs import deal_folds, held_out_pairs
from pipelines.batches.sampler import PairSampler
from pipelines.faces.alignment import TEMPLATE
from pipelines.faces.augmentation import Augmentation
from pipelines.faces.regions import WHOLE_FACE


class ColouredFaces:
    """Every image of a colour of its own, brighter to the right."""

    def __init__(self, counts):
        self.identities = [f"person{i}" for i in range(len(counts))]
        self.labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def __len__(self):
        return len(self.labels)

    def name(self, i):
        return f"{self.identities[self.labels[i]]}/{i:04d}.png"

    def load(self, index):
        ramp = tf.linspace(0.0, 100.0, 96)[None, :, None]
        image = tf.ones([112, 1, 3]) * ramp + tf.cast(index, tf.float32)
        return tf.cast(image, tf.uint8), tf.constant(TEMPLATE)


counts_with_a_pair = st.lists(st.integers(1, 6), min_size=2, max_size=8).filter(
    lambda counts: max(counts) > 1
)


@examples(25)
@given(
    counts_with_a_pair,
    st.integers(0, 2**31),
    st.integers(0, 10**9),
    st.sampled_from(["images", "identities"]),
)
def test_every_pair_is_what_it_should_be(counts, seed, step, sampling):
    labels = np.repeat(np.arange(len(counts)), counts)
    sampler = PairSampler(labels, pairs=16, seed=seed, sampling=sampling)
    images, mirrored = sampler.draw(tf.constant(step, tf.int64))
    images = images.numpy().reshape(-1, 2)
    assert images.min() >= 0 and images.max() < len(labels)
    assert mirrored.shape == (32,)
    same, different = labels[images[0::2]], labels[images[1::2]]
    assert (same[:, 0] == same[:, 1]).all() and (images[0::2, 0] != images[0::2, 1]).all()
    assert (different[:, 0] != different[:, 1]).all()
    np.testing.assert_array_equal(sampler.draw(step)[0].numpy().reshape(-1, 2), images)


def draws(sampler, steps):
    images = [sampler.draw(step)[0].numpy().reshape(-1, 2, 2) for step in range(steps)]
    return np.concatenate(images)


def test_images_are_used_evenly():
    """The first of each pair goes through all images that can be, before any comes again."""
    labels = np.repeat(np.arange(4), [5, 1, 12, 3])
    drawn = draws(PairSampler(labels, pairs=14, sampling="images"), 3 * 20)
    different = drawn[:, 1, 0]
    for part in different.reshape(-1, 21):
        assert sorted(part) == list(range(21))
    assert len({tuple(part) for part in different.reshape(-1, 21)}) == 20
    for part in drawn[:, 0, 0].reshape(-1, 20):
        assert sorted(part) == [i for i in range(21) if i != 5]


def test_partners_are_uniform():
    labels = np.repeat(np.arange(3), [4, 2, 3])
    drawn = draws(PairSampler(labels, pairs=360, sampling="images"), 50)  # 9000 of each kind
    for first in range(9):
        partners = drawn[drawn[:, 0, 0] == first, 0, 1]
        others = np.flatnonzero((labels == labels[first]) & (np.arange(9) != first))
        strangers = drawn[drawn[:, 1, 0] == first, 1, 1]
        foreign = np.flatnonzero(labels != labels[first])
        for found, expected in ((partners, others), (strangers, foreign)):
            frequency = np.bincount(found, minlength=9)[expected] / len(found)
            assert len(found) == 1000
            # Five standard deviations of a frequency.
            np.testing.assert_allclose(frequency, 1 / len(expected), atol=0.08)


def test_identities_are_uniform():
    labels = np.repeat(np.arange(4), [50, 2, 1, 10])
    drawn = labels[draws(PairSampler(labels, pairs=400, sampling="identities"), 20)]
    same = np.bincount(drawn[:, 0, 0], minlength=4) / len(drawn)
    np.testing.assert_allclose(same, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.04)
    for which in (0, 1):
        different = np.bincount(drawn[:, 1, which], minlength=4) / len(drawn)
        np.testing.assert_allclose(different, 1 / 4, atol=0.04)


def test_seeds_and_steps_differ():
    labels = np.repeat(np.arange(10), 10)
    seen = set()
    for seed, step in itertools.product(range(5), range(5)):
        images, mirrored = PairSampler(labels, pairs=8, seed=seed).draw(step)
        seen.add((tuple(images.numpy()), tuple(mirrored.numpy())))
    assert len(seen) == 25


@pytest.mark.parametrize(
    "counts, options, message",
    [
        ([5], {}, "one identity only"),
        ([1, 1, 1], {}, "No identity has two images"),
        ([2, 2], {"pairs": 3}, "cannot be shared by 1 workers"),
        ([2, 2], {"pairs": 0}, "not an even number above 0"),
        ([2, 2], {"sampling": "people"}, "sampling must be"),
        ([2, 2], {"pairs": 6, "workers": 2}, "take a multiple of 4"),
        ([2, 2], {"workers": 2, "worker": 2}, "worker must be from 0 to 1"),
    ],
)
def test_impossible_pairs(counts, options, message):
    with pytest.raises(ValueError, match=message) as error:
        pair_batches(ColouredFaces(counts), **options)
    assert "\n" not in str(error.value)


def test_batches():
    faces = ColouredFaces([3, 4, 2, 5])
    images, labels = next(iter(pair_batches(faces, pairs=8, seed=1, augmentation=Augmentation(flip=False))))
    assert images.shape == (16, 112, 96, 3) and images.dtype == tf.float32
    assert labels.shape == (16,) and labels.dtype == tf.int32
    drawn, _ = PairSampler(faces.labels, pairs=8, seed=1).draw(0)
    np.testing.assert_array_equal(labels, faces.labels[drawn.numpy()])
    for image, index in zip(images.numpy(), drawn.numpy()):
        expected = (faces.load(index)[0].numpy().astype(np.float32) - 127.5) / 128
        np.testing.assert_allclose(image, expected, atol=1e-3)


def test_mirrored_images():
    faces = ColouredFaces([3, 4, 2, 5])
    plain = next(iter(pair_batches(faces, pairs=8, augmentation=Augmentation(flip=False))))[0].numpy()
    flipped = next(iter(pair_batches(faces, pairs=8, augmentation=Augmentation())))[0].numpy()
    _, mirrored = PairSampler(faces.labels, pairs=8).draw(0)
    assert 0 < mirrored.numpy().sum() < 16
    for one, other, mirror in zip(plain, flipped, mirrored.numpy()):
        np.testing.assert_allclose(other, one[:, ::-1] if mirror else one, atol=1e-4)


@pytest.mark.parametrize("sampling", ["images", "identities"])
def test_resumed_batches_are_those_of_an_uninterrupted_run(sampling):
    faces = ColouredFaces([3, 4, 2, 5])
    options = dict(pairs=4, seed=7, region=WHOLE_FACE.scaled(48), sampling=sampling)
    whole = list(pair_batches(faces, **options).take(6).as_numpy_iterator())
    for start in (1, 4):
        rest = pair_batches(faces, start_step=start, **options).take(6 - start)
        for (images, labels), batch in zip(whole[start:], rest.as_numpy_iterator(), strict=True):
            np.testing.assert_array_equal(images, batch[0])
            np.testing.assert_array_equal(labels, batch[1])


def test_images_in_order():
    faces = ColouredFaces([3, 4, 2])
    batches = list(image_batches(faces, batch=4).as_numpy_iterator())
    assert [len(batch) for batch in batches] == [4, 4, 1]
    images = np.concatenate(batches)
    np.testing.assert_allclose(images[:, 0, 0, 0] * 128 + 127.5, np.arange(9), atol=0.01)

    some = next(iter(image_batches(faces, [7, 2, 2], mirrored=True).as_numpy_iterator()))
    np.testing.assert_allclose(some, images[[7, 2, 2], :, ::-1], atol=1e-4)


def check_pairs(pairs, labels):
    a, b = labels[pairs.images].T
    np.testing.assert_array_equal(a == b, pairs.same)
    assert (pairs.images[:, 0] != pairs.images[:, 1]).all()
    assert len({tuple(sorted(pair)) for pair in pairs.images.tolist()}) == len(pairs.same)
    for fold in np.unique(pairs.fold):
        assert pairs.same[pairs.fold == fold].mean() == 0.5


@examples(40)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=30),
    st.integers(1, 60),
    st.integers(2, 5),
    st.integers(0, 100),
)
@example([2, 1], 5, 5, 0)  # a pair of the same, two different ones
@example([4, 1], 5, 5, 0)  # enough of the same, too few different ones
@example([5, 1], 5, 5, 0)
@example([2, 2, 2, 2, 2], 5, 5, 0)  # a fold each, in which there is no different one
@example([9, 9, 9], 17, 5, 0)  # folds of two sizes
def test_held_out_pairs(counts, half, folds, seed):
    """As many pairs and folds as asked for, or an error that says how many there could be."""
    faces = ColouredFaces(counts)
    same = sum(c * (c - 1) // 2 for c in counts)
    different = sum(a * b for a, b in itertools.combinations(counts, 2))
    most = min(same, different)
    if half < folds:
        with pytest.raises(ValueError, match=f"even number of at least {2 * folds}"):
            held_out_pairs(faces, 2 * half, folds=folds, seed=seed)
        return
    if half > most:
        told = f"ask for {2 * most} at most" if most >= folds else "different ones: take more"
        with pytest.raises(ValueError, match=f"{2 * half} pairs are too many.*{told}"):
            held_out_pairs(faces, 2 * half, folds=folds, seed=seed)
        return
    pairs = held_out_pairs(faces, 2 * half, folds=folds, seed=seed)
    check_pairs(pairs, faces.labels)
    assert pairs.images.shape == (2 * half, 2) and len(pairs.same) == 2 * half
    sizes = np.bincount(pairs.fold) // 2
    assert len(sizes) == folds and sizes.min() == half // folds and np.ptp(sizes) <= 1
    again = held_out_pairs(faces, 2 * half, folds=folds, seed=seed)
    for one, other in zip(pairs, again):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("pairs", [-2, 0, 1, 18, 19, 21, 2001])
def test_numbers_of_pairs_that_make_no_folds(pairs):
    with pytest.raises(ValueError, match="ask for an even number of at least 20"):
        held_out_pairs(ColouredFaces([50] * 20), pairs)


def test_folds_share_no_identity():
    faces = ColouredFaces([8] * 30 + [1] * 7)
    pairs = held_out_pairs(faces, 400, folds=10)
    assert pairs.images.shape == (400, 2)
    np.testing.assert_array_equal(np.bincount(pairs.fold), 40)
    check_pairs(pairs, faces.labels)
    folds = [set(faces.labels[pairs.images[pairs.fold == fold]].ravel()) for fold in range(10)]
    assert sum(map(len, folds)) == len(set.union(*folds))


def test_few_identities_are_shared_by_the_folds():
    faces = ColouredFaces([30, 30, 30])
    pairs = held_out_pairs(faces, 200, folds=10)
    np.testing.assert_array_equal(np.bincount(pairs.fold), 20)
    check_pairs(pairs, faces.labels)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 6))
@example([True, False] * 30, 10)  # where every second pair is different, counting would part them
def test_lists_without_folds_are_dealt(same, folds):
    same = np.array(same, bool)
    if min(same.sum(), (~same).sum()) < folds:
        with pytest.raises(ValueError, match=f"too few for {folds} folds: list at least {folds}"):
            deal_folds(same, folds)
        return
    dealt = deal_folds(same, folds)
    for kind in (same, ~same):
        counts = np.bincount(dealt[kind], minlength=folds)
        assert len(counts) == folds and counts.min() >= 1 and np.ptp(counts) <= 1


def test_dealing_a_list_of_one_kind_after_the_other_is_counting():
    same = np.repeat([True, False], 500)  # as in LFW's View 1
    np.testing.assert_array_equal(deal_folds(same), np.arange(1000) % 10)


def test_batches_state_their_whole_shape():
    """An unknown size would make every training step slower."""
    faces = ColouredFaces([3, 3])
    images, labels = pair_batches(faces, pairs=4, region=WHOLE_FACE.scaled(48)).element_spec
    assert images.shape == (8, 56, 48, 3)
    assert labels.shape == (8,)
    assert image_batches(faces, region=WHOLE_FACE.scaled(48)).element_spec.shape[1:] == (56, 48, 3)


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(shift=0.1, contrast=0.2)])
def test_workers_share_a_batch(augmentation):
    faces = ColouredFaces([3, 4, 2, 5])
    options = dict(pairs=8, seed=3, start_step=5, augmentation=augmentation)
    images, labels = next(iter(pair_batches(faces, **options)))
    shares = [next(iter(pair_batches(faces, **options, worker=w, workers=4))) for w in range(4)]
    np.testing.assert_array_equal(np.concatenate([share[0] for share in shares]), images)
    np.testing.assert_array_equal(np.concatenate([share[1] for share in shares]), labels)


class SlowFaces(ColouredFaces):
    """Some images take long to come."""

    def load(self, index):
        image, landmarks = super().load(index)
        spins = tf.cast(index % 3 == 0, tf.int32) * 200
        delay = tf.while_loop(
            lambda i, _: i < spins,
            lambda i, x: (i + 1, tf.linalg.matmul(x, x) * 0.01),
            (0, tf.ones([60, 60])),
        )[1]
        return image + tf.cast(0 * delay[0, 0], tf.uint8), landmarks


def test_unordered_batches_are_whole():
    faces = SlowFaces([4] * 6)
    ordered = list(pair_batches(faces, pairs=4, seed=2).take(30).as_numpy_iterator())
    unordered = pair_batches(faces, pairs=4, seed=2, ordered=False).take(30).as_numpy_iterator()
    # Those that were ahead when the 30 were complete are missing instead of some of them.
    known = {images.tobytes() for images, _ in ordered}
    assert sum(images.tobytes() in known for images, _ in unordered) >= 26


def test_a_data_service_gives_every_batch_once():
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    workers = [
        service.WorkerServer(
            service.WorkerConfig(dispatcher.target.split("://")[1], heartbeat_interval_ms=100)
        )
        for _ in range(2)
    ]
    faces = ColouredFaces([4] * 6)
    batches = pair_batches(faces, pairs=4, seed=2, ordered=False)
    known = [images.tobytes() for images, _ in batches.take(120).as_numpy_iterator()]
    given = served(batches, dispatcher.target)
    assert given.element_spec == batches.element_spec
    found = [images.tobytes() for images, _ in given.take(40).as_numpy_iterator()]
    # Both workers run ahead, by a few batches each.
    assert len(set(found)) == 40 and set(found) < set(known)
    assert served(batches, "") is batches
    del workers
