"""Hashes of photographs and the search for near ones, against brute force."""

import io

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from properties import examples

from pipelines.inspection import duplicates
from pipelines.inspection.duplicates import (
    DISTANCE,
    Matches,
    match,
    near_pairs,
    perceptual_hash,
)
from pipelines.inspection.repeated import equal_groups, later_copies, under_several
from pipelines.sources.synthetic import SyntheticFaces


def brute_force(rows, columns, distance, upper=False):
    """Every pair looked at, bit by bit."""
    found = []
    for i, a in enumerate(rows):
        for j, b in enumerate(columns):
            bits = sum(bin(int(x) ^ int(y)).count("1") for x, y in zip(a, b))
            if bits <= distance and (i < j or not upper):
                found.append((i, j, bits))
    return found


def hashes_around(seed, n, width, spread):
    """Random hashes that differ from a common one, or its complement, in about `spread` bits."""
    generator = np.random.default_rng(seed)
    common = generator.integers(0, 256, width, dtype=np.uint8)
    bits = np.packbits(generator.random((n, 8 * width)) < spread / (8 * width), axis=1)
    opposite = np.where(generator.random((n, 1)) < 0.2, 255, 0).astype(np.uint8)
    return common ^ bits ^ opposite


@examples(60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 14),
    m=st.integers(0, 14),
    width=st.sampled_from([8, 16, 32, 64]),
    spread=st.integers(0, 40),
    distance=st.integers(0, 100),
    block=st.integers(1, 16),
    upper=st.booleans(),
)
def test_near_pairs_are_those_of_brute_force(seed, n, m, width, spread, distance, block, upper):
    hashes = hashes_around(seed, n + m, width, spread)
    rows, columns = (hashes, hashes) if upper else (hashes[:n], hashes[n:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "BLOCK", block)
        found = near_pairs(rows, columns, distance=distance, upper=upper)
    assert list(zip(*(part.tolist() for part in found))) == brute_force(
        rows, columns, distance, upper
    )


def test_opposite_hashes_are_not_near():
    # All of the first 256 bits differ: in a byte that is as if none did.
    hashes = np.stack([np.zeros(64, np.uint8), np.repeat([255, 0], 32).astype(np.uint8)])
    assert near_pairs(hashes, hashes, distance=255, upper=True)[0].size == 0
    assert near_pairs(hashes, hashes, distance=256, upper=True)[2].tolist() == [256]


def test_too_many_pairs_are_an_error(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 44)
    hashes = np.zeros((10, 64), np.uint8)
    assert len(near_pairs(hashes[:9], hashes[:9], upper=True)[0]) == 36
    with pytest.raises(ValueError, match="More than 44 pairs") as error:
        near_pairs(hashes, hashes, upper=True)
    assert "\n" not in str(error.value)


def test_match_keeps_the_nearer_of_two_views():
    zero = np.zeros((3, 64), np.uint8)
    hashes, mirrored = zero.copy(), zero.copy()
    hashes[1, 0], mirrored[0, 0] = 0b111, 0b110  # image 1 is nearer to image 0's mirror image
    hashes[2], mirrored[1:] = 255, 15
    found = match(hashes, mirrored, distance=5)
    assert [part.tolist() for part in found] == [[0], [1], [1], [True]]

    # Between two sets also an image with its like; the nearest first.
    found = match(hashes, mirrored, zero[:1], distance=5)
    assert [part.tolist() for part in found] == [[0, 1], [0, 0], [0, 3], [False, False]]


@examples(50)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 1)), max_size=12))
def test_equal_groups(keys):
    table = np.array(keys, np.int64).reshape(-1, 2)
    assert equal_groups(*table.T).tolist() == [keys.index(key) for key in keys]


def some_sets(seed, n):
    """Labels, first of equal images and matches of n images, all of them random."""
    generator = np.random.default_rng(seed)
    labels = np.sort(generator.integers(0, 3, n))
    kinds = generator.integers(0, max(n, 1), n)
    first = equal_groups(kinds)
    alone = np.flatnonzero(first == np.arange(n))
    pairs = [(a, b) for a in alone for b in alone if a < b and generator.random() < 0.2]
    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    bits = generator.integers(0, 9, len(pairs))
    near = {(int(x), int(y)) for x, y in pairs} | {(int(y), int(x)) for x, y in pairs}

    def alike(x, y):
        return first[x] == first[y] or (first[x], first[y]) in near

    return labels, first, Matches(a, b, bits, bits > 4), alike


@examples(100)
@given(st.integers(0, 2**32 - 1), st.integers(0, 14))
def test_later_copies(seed, n):
    labels, first, matches, alike = some_sets(seed, n)
    kept, expected = [], []
    for i in range(n):
        if any(labels[k] == labels[i] and alike(i, k) for k in kept):
            expected.append(i)
        else:
            kept.append(i)
    copies = later_copies(labels, first, matches)
    assert list(copies) == expected
    for copy, original in copies.items():
        assert original in kept and labels[original] == labels[copy] and alike(copy, original)


@examples(100)
@given(st.integers(0, 2**32 - 1), st.integers(0, 14))
def test_under_several(seed, n):
    labels, first, matches, alike = some_sets(seed, n)
    expected = [
        i for i in range(n) if any(labels[k] != labels[i] and alike(i, k) for k in range(n))
    ]
    several = under_several(labels, first, matches)
    assert list(several) == expected
    for image, other in several.items():
        assert labels[image] != labels[other] and alike(image, other)


def test_hash_is_that_of_imagehash():
    crop = np.random.default_rng(0).integers(0, 256, (112, 96), dtype=np.uint8)
    own, mirrored = perceptual_hash(crop)
    picture = Image.fromarray(crop)
    expected = [imagehash.phash(picture, 16).hash, imagehash.dhash(picture, 16).hash]
    np.testing.assert_array_equal(np.unpackbits(own), np.concatenate(expected, axis=None))
    np.testing.assert_array_equal(perceptual_hash(crop[:, ::-1])[::-1], [own, mirrored])
    assert own.dtype == np.uint8 and own.shape == (duplicates.HASH_BYTES,)


def saved_again(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


VARIANTS = {
    "saved again": lambda image: saved_again(image, 40),
    "made smaller": lambda image: image.resize((60, 60)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
}


def test_copies_are_near_and_other_photographs_are_not():
    faces = SyntheticFaces(identities=2, images_per_identity=6, seed=1)
    pictures = [Image.fromarray(faces.load(i)[0].numpy()[16:112, 16:112]) for i in range(12)]

    def hashed(picture):
        crop = picture.convert("L").resize((96, 96), Image.Resampling.BOX)
        return perceptual_hash(np.asarray(crop))[0]

    originals = np.stack([hashed(picture) for picture in pictures])
    for name, variant in VARIANTS.items():
        copies = np.stack([hashed(variant(picture)) for picture in pictures])
        first, second, _ = near_pairs(originals, copies, distance=DISTANCE)
        assert first.tolist() == second.tolist() == list(range(12)), name
