"""The sampling rules of Sec. 4.1, and masks at one bit a weight."""

import os
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.sparsify import load_masks, pack_mask, sample_mask, save_masks, unpack_mask

# Shapes of each kind, all with K = 24, and the axes of a neuron's inputs.
LAYOUTS = [
    ("dense", (24, 5), (0,)),
    ("conv", (2, 3, 4, 5), (0, 1, 2)),
    ("local", (3, 24, 5), (1,)),
    ("local", (3, 2, 24, 5), (2,)),
    ("local", (3, 2, 3, 4, 5), (1, 2, 3)),
    ("local", (3, 2, 2, 3, 4, 5), (2, 3, 4)),
]
FRACTIONS = st.one_of(
    st.floats(0, 1, exclude_min=True),
    st.fractions(0, 1).filter(lambda s: s > 0),
    st.sampled_from([1, 1.0, 0.5, 1 / 3, 1 / 256, Fraction(1, 128), np.float32(0.1)]),
)


def draw(shape, kind, seed=0, dead=0.0, nan=0.0):
    rng = np.random.default_rng(seed)
    r = rng.uniform(0 if kind == "conv" else -1, 1, shape)
    r[rng.random(shape) < dead] = 0
    r[rng.random(shape) < nan] = np.nan
    return r.astype(np.float32)


def halves(row, signed):
    """The strata of one neuron in plain Python: lists of indices, strongest first."""
    live = [k for k in range(len(row)) if row[k] != 0 and not np.isnan(row[k])]
    signs = [[k for k in live if row[k] > 0], [k for k in live if row[k] < 0]]
    strata = []
    for group in signs if signed else [live, []]:
        group = sorted(group, key=lambda k: -abs(row[k]) if signed else -row[k])
        middle = (len(group) + 1) // 2
        strata += [group[:middle], group[middle:]]
    return strata


@examples(150)
@given(
    layout=st.sampled_from(LAYOUTS),
    density=FRACTIONS,
    lam=st.one_of(st.floats(0, 1), st.sampled_from([0, 0.5, 0.75, 1])),
    block=st.sampled_from([1, 1, 2, 4]),
    dead=st.sampled_from([0, 0.3, 0.9, 1]),
    seed=st.integers(0, 2**32),
)
def test_budgets_blocks_and_determinism(layout, density, lam, block, dead, seed):
    kind, shape, inputs = layout
    r = draw(shape, kind, seed, dead=dead, nan=dead / 2)
    before = r.copy()
    arguments = dict(layer_kind=kind, lam=lam, block=block, seed=seed)
    mask = sample_mask(r, density, **arguments)
    np.testing.assert_array_equal(r, before)
    assert mask.shape == shape and mask.dtype == bool
    assert mask.sum() == block * round(density * mask.size / block)
    budget = float(density) * 24
    assert (np.abs(mask.sum(axis=inputs) - budget) <= block + 1e-5).all()
    runs = mask.reshape(-1, shape[-2] // block, block, shape[-1])
    assert (runs.all(axis=2) == runs.any(axis=2)).all()
    np.testing.assert_array_equal(mask, sample_mask(r, density, **arguments))


@examples(60)
@given(
    kind=st.sampled_from(["dense", "conv"]),
    density=st.floats(0.01, 1),
    lam=st.floats(0, 1),
    dead=st.sampled_from([0, 0.2, 0.7]),
    seed=st.integers(0, 2**32),
)
def test_each_neuron_keeps_its_rounded_shares(kind, density, lam, dead, seed):
    """The rule of Sec. 4.1 in loops: every stratum has its share, rounded up or down."""
    r = draw((31, 6) if kind == "dense" else (1, 1, 31, 6), kind, seed, dead=dead)
    mask = sample_mask(r, density, layer_kind=kind, lam=lam, seed=seed)
    for row, kept in zip(r.reshape(31, 6).T, mask.reshape(31, 6).T):
        strata = halves(row, kind == "dense")
        alive = sum(map(len, strata))
        live_budget = min(kept.sum(), alive)
        for upper, lower in (strata[:2], strata[2:]):
            share = live_budget * (len(upper) + len(lower)) / max(alive, 1)
            of_upper = min(lam * share, len(upper))
            of_lower = min(share - of_upper, len(lower))
            of_upper = share - of_lower
            for stratum, wanted in ((upper, of_upper), (lower, of_lower)):
                assert abs(kept[stratum].sum() - wanted) < 1 + 1e-4
        assert kept[[k for s in strata for k in s]].sum() == live_budget


@pytest.mark.parametrize("kind", ["dense", "conv"])
@pytest.mark.parametrize("density, lam", [(1 / 256, 0.75), (1 / 64, 0.5), (0.1, 1), (0.3, 0.75)])
def test_shares_hold_in_expectation(kind, density, lam):
    """No systematic rounding loss: at 1/256 an upper half of f is owed 2.25 weights."""
    neurons = 500
    rng = np.random.default_rng(5)
    r = rng.standard_normal((768, neurons)) + 0.3
    if kind == "conv":
        r = np.abs(r)
    mask = sample_mask(r.reshape(1, 1, 768, neurons) if kind == "conv" else r, density,
                       layer_kind=kind, lam=lam).reshape(768, neurons)
    counts, wanted = np.zeros(4), np.zeros(4)
    for row, kept in zip(r.T, mask.T):
        strata = halves(row, kind == "dense")
        counts += [kept[s].sum() for s in strata]
        up, down = len(strata[0]) + len(strata[1]), len(strata[2]) + len(strata[3])
        wanted += density * np.array([lam * up, (1 - lam) * up, lam * down, (1 - lam) * down])
    # A count is within 1 of its share, so its deviation is at most 1/2 a neuron.
    np.testing.assert_allclose(counts, wanted, atol=4 * 0.5 * np.sqrt(neurons))


def test_kinds_of_shares_of_f_at_1_256():
    r = np.random.default_rng(0).standard_normal((1536, 512))
    mask = sample_mask(r, Fraction(1, 256), layer_kind="dense")
    assert (mask.sum(axis=0) == 6).all()
    upper = np.zeros(2)
    for row, kept in zip(r.T, mask.T):
        strata = halves(row, True)
        upper += kept[strata[0]].sum(), kept[strata[2]].sum()
    np.testing.assert_allclose(upper / 512, 2.25, atol=0.1)


def test_spill_over_into_the_lower_half():
    r = draw((40, 7), "dense")
    mask = sample_mask(r, 0.9, layer_kind="dense", lam=1)
    for row, kept in zip(r.T, mask.T):
        upper_up, lower_up, upper_down, lower_down = halves(row, True)
        assert kept[upper_up].all() and kept[upper_down].all()
        in_lower = kept.sum() - len(upper_up) - len(upper_down)
        assert kept[lower_up + lower_down].sum() == in_lower > 0
    # And the other way round.
    mask = sample_mask(np.abs(r)[None, None], 0.9, layer_kind="conv", lam=0)[0, 0]
    for row, kept in zip(np.abs(r).T, mask.T):
        assert kept[halves(row, False)[1]].all()


def test_everything_is_kept_at_1():
    for kind, shape, _ in LAYOUTS:
        assert sample_mask(draw(shape, kind, dead=0.2), 1, layer_kind=kind).all()


def test_dead_connections_come_last():
    r = np.zeros((12, 3))
    r[:4, 0], r[4, 0] = [0.1, -0.2, 0.3, -0.4], np.nan
    r[:6, 1] = 0.5
    mask = sample_mask(r, 0.5, layer_kind="dense", seed=3)
    assert (mask.sum(axis=0) == 6).all()
    assert mask[:4, 0].all() and mask[:6, 1].all()
    # A neuron that is dead altogether keeps its budget, drawn at random.
    drawn = np.mean(
        [sample_mask(r, 0.5, layer_kind="dense", seed=seed)[:, 2] for seed in range(300)], axis=0
    )
    np.testing.assert_allclose(drawn, 0.5, atol=0.15)


def test_draws_within_a_half_are_uniform():
    r = np.linspace(0.1, 1, 16)[::-1, None]
    masks = [sample_mask(r, 0.25, layer_kind="dense", seed=seed)[:, 0] for seed in range(1000)]
    np.testing.assert_allclose(np.mean(masks, axis=0), np.repeat([3 / 8, 1 / 8], 8), atol=0.06)


def test_seeds_differ():
    r = draw((64, 8), "dense")
    one, two = [sample_mask(r, 0.2, layer_kind="dense", seed=seed) for seed in (0, 1)]
    assert (one != two).any()


def test_layouts_of_a_local_layer_agree():
    r = draw((3, 2, 2, 3, 8, 5), "local")
    mask = sample_mask(r, 0.2, layer_kind="local", block=4, seed=7)
    for shape in ((6, 48, 5), (3, 2, 48, 5), (6, 2, 3, 8, 5)):
        other = sample_mask(r.reshape(shape), 0.2, layer_kind="local", block=4, seed=7)
        np.testing.assert_array_equal(other.reshape(mask.shape), mask)


def test_groups_of_neurons_do_not_show(monkeypatch):
    """A layer larger than the work space: same budgets, every neuron sampled."""
    monkeypatch.setattr("sparseface_tf.sparsify.masks._GROUP", 100)
    for kind, shape, inputs in LAYOUTS:
        mask = sample_mask(draw(shape, kind), 0.3, layer_kind=kind)
        assert mask.sum() == round(0.3 * mask.size)
        assert set(np.unique(mask.sum(axis=inputs))) <= {7, 8}


def test_blocks_are_ranked_by_mean_magnitude():
    r = np.zeros((16, 1))
    # Two strong blocks, of which the negative sum makes the second negative, and two weak ones.
    r[:, 0] = [0.9, 0.8, -0.1, 0.9] + [0.7, -0.9, -0.9, -0.8] + [0.1] * 4 + [-0.1] * 4
    mask = sample_mask(r, 0.5, layer_kind="dense", lam=1, block=4)
    assert mask[:8].all() and not mask[8:].any()


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(density=0), "must lie in"),
        (dict(density=1.01), "must lie in"),
        (dict(density=float("nan")), "must lie in"),
        (dict(density=Fraction(-1, 2)), "must lie in"),
        (dict(lam=1.5), "lam"),
        (dict(block=5), "does not divide the input axis"),
        (dict(block=0), "positive integer"),
        (dict(block=1.5), "positive integer"),
        (dict(layer_kind="pool"), "layer_kind"),
        (dict(layer_kind="conv"), "shape"),
    ],
)
def test_bad_arguments(change, message):
    arguments = dict(density=0.5, layer_kind="dense") | change
    with pytest.raises(ValueError, match=message) as error:
        sample_mask(np.ones((12, 2)), arguments.pop("density"), **arguments)
    assert "\n" not in str(error.value)


@examples(100)
@given(shape=st.lists(st.integers(0, 5), max_size=4), seed=st.integers(0, 100))
def test_pack_and_unpack(shape, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.5
    packed = pack_mask(mask)
    assert packed.dtype == np.uint8 and packed.nbytes == -(-mask.size // 8)
    np.testing.assert_array_equal(unpack_mask(packed, mask.shape), mask)


def test_unpack_checks_the_shape():
    with pytest.raises(ValueError, match="takes 2 bytes, not 1"):
        unpack_mask(pack_mask(np.ones(8, bool)), (3, 3))


def test_masks_in_a_file(tmp_path):
    rng = np.random.default_rng(0)
    masks = {"f": rng.random((64, 32)) < 0.1, "5b": rng.random((2, 2, 3, 3, 4, 8)) < 0.5}
    path = tmp_path / "masks.npz"
    save_masks(path, {})
    save_masks(path, masks)
    loaded = load_masks(path)
    assert list(loaded) == ["f", "5b"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(loaded[name], mask)
    assert os.listdir(tmp_path) == ["masks.npz"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "masks.npz"
    save_masks(path, {"f": np.ones((4, 4), bool)})

    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError):
        save_masks(path, {"f": np.zeros((4, 4), bool)})
    assert load_masks(path)["f"].all()
    assert os.listdir(tmp_path) == ["masks.npz"]


def test_another_npz_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ValueError, match="not a file of masks"):
        load_masks(tmp_path / "other.npz")
