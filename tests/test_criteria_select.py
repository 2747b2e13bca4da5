"""Numbers kept, blocks, earlier masks and chance: what every criterion keeps to."""

import dataclasses
import os
from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from properties import examples

from sparseface_tf.criteria import Criterion, criteria, criterion, load_criteria
from sparseface_tf.criteria.ranking import keep_largest
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.sparsify import sample_mask
from sparseface_tf.sparsify.budgets import even_budgets

NAMES = ["brp", "correlation", "magnitude", "obd", "random", "taylor", "wanda"]
KINDS = ["dense", "conv", "local"]


@pytest.fixture(scope="module")
def layers_of_all_kinds():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 4)),
            MaskedConv2D(8, (2, 3), padding="same", activation="relu", name="conv"),
            layers.MaxPooling2D((1, 2)),
            MaskedLocallyConnected2D(5, (2, 1), activation="relu", name="local"),
            layers.Flatten(),
            layers.Dense(24, name="between"),
            MaskedDense(5, name="dense"),
        ]
    )
    return {kind: model.get_layer(kind) for kind in KINDS}


def inputs_of_neuron(kind):
    """Axes of a kernel over which the weights of one output neuron lie."""
    return {"dense": (0,), "conv": (0, 1, 2), "local": (2, 3, 4)}[kind]


@examples(80)
@given(
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(KINDS),
    density=st.one_of(st.floats(0.01, 1), st.sampled_from([1 / 256, Fraction(1, 3), 1])),
    block=st.sampled_from([1, 1, 4]),
    left=st.sampled_from([1.0, 0.6, 0.2]),
    broken=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_criterion_keeps_the_exact_number_of_what_is_left(
    layers_of_all_kinds, name, kind, density, block, left, broken, seed
):
    layer, rng = layers_of_all_kinds[kind], np.random.default_rng(seed)
    shape = tuple(layer.kernel.shape)
    scores = rng.normal(size=shape).astype("float32")
    scores[rng.random(shape) < 0.3] = 0
    if broken:
        scores[rng.random(shape) < 0.2] = np.nan
        scores[rng.random(shape) < 0.1] = np.inf
    runs = rng.random((*shape[:-2], shape[-2] // block, 1, shape[-1])) < left
    mask = np.broadcast_to(runs, (*runs.shape[:-2], block, shape[-1])).reshape(shape)
    layer.assign_mask(mask)
    number = block * round(density * scores.size / block)

    def select():
        return criterion(name).select(scores, layer, density, block=block, seed=seed)

    if number > mask.sum():
        with pytest.raises(ValueError, match="are to be kept and the layer's mask has"):
            select()
        return
    kept = select()
    assert kept.dtype == bool and kept.shape == shape and kept.sum() == number
    assert not (kept & ~mask).any()
    whole = kept.reshape(*shape[:-2], -1, block, shape[-1])
    assert np.array_equal(whole.all(axis=-2), whole.any(axis=-2))
    np.testing.assert_array_equal(kept, select())
    if name in ("correlation", "wanda") and left == 1:
        of_neuron = kept.sum(axis=inputs_of_neuron(kind)) - float(density) * (
            scores.size / kept.sum(axis=inputs_of_neuron(kind)).size
        )
        assert np.abs(of_neuron).max() <= block + 1e-5


@examples(60)
@given(
    density=st.floats(0.01, 1),
    per_neuron=st.booleans(),
    block=st.sampled_from([1, 2]),
    left=st.sampled_from([1.0, 0.5]),
    seed=st.integers(0, 2**32),
)
def test_the_largest_are_kept(density, per_neuron, block, left, seed):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(3 * 8 * 5).reshape(3, 8, 5).astype("float32")
    allowed = rng.random((3, 8 // block, 1, 5)) < left
    allowed = np.broadcast_to(allowed, (3, 8 // block, block, 5)).reshape(scores.shape)
    number = round(density * scores.size / block)
    if number * block > allowed.sum():
        return
    mask = keep_largest(
        scores, density, allowed=allowed, block=block, per_neuron=per_neuron, rng=rng
    )
    # The twin: each neuron's runs, or all runs together, sorted in plain Python.
    runs = {
        (p, k, f): scores[p, k * block : (k + 1) * block, f].sum()
        for p, k, f in np.ndindex(3, 8 // block, 5)
        if allowed[p, k * block, f]
    }
    kept = {(p, k, f) for p, k, f in runs if mask[p, k * block, f]}
    assert len(kept) == number and mask.sum() == number * block
    groups = {run: (run[0], run[2]) if per_neuron else 0 for run in runs}
    for group in set(groups.values()):
        of_group = [run for run in runs if groups[run] == group]
        # Values, not places: two runs of a group may have the same sum.
        of_kept = sorted(runs[run] for run in of_group if run in kept)
        assert sorted(map(runs.get, of_group))[len(of_group) - len(of_kept) :] == of_kept
    if per_neuron:
        counts = {group: 0 for group in groups.values()}
        room = dict(counts)
        for run, group in groups.items():
            counts[group] += run in kept
            room[group] += 1
        # As even as can be: who has fewer than another, by more than one, has no more.
        top = max(counts.values(), default=0)
        assert all(n >= top - 1 or n == room[g] for g, n in counts.items())


@examples(60)
@given(
    capacities=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_even_budgets(capacities, share, seed):
    total = round(share * sum(capacities))
    budgets = even_budgets(total, np.array(capacities), np.random.default_rng(seed))
    assert budgets.sum() == total
    top = budgets.max()
    for budget, capacity in zip(budgets, capacities):
        assert 0 <= budget <= capacity and (budget >= top - 1 or budget == capacity)


def test_equal_scores_are_drawn_by_chance():
    rng = np.random.default_rng(0)
    scores = np.zeros((40, 10))
    scores[:4] = 1
    masks = [keep_largest(scores, 0.5, rng=rng) for _ in range(50)]
    assert all(mask[:4].all() and mask.sum() == 200 for mask in masks)
    frequency = np.mean(masks, axis=0)[4:]
    assert 0.1 < frequency.min() and frequency.max() < 0.8


@examples(60)
@given(density=st.floats(0.02, 1), positive=st.floats(0, 1), seed=st.integers(0, 99))
def test_magnitude_keeps_the_share_of_each_sign(density, positive, seed):
    rng = np.random.default_rng(seed)
    layer = MaskedDense(6)
    layer.build((None, 30))
    weights = np.abs(rng.normal(size=(30, 6))) * np.where(rng.random((30, 6)) < positive, 1, -1)
    layer.kernel.assign(weights)
    magnitude = criterion("magnitude")
    mask = magnitude.select(np.asarray(layer.kernel), layer, density)
    assert mask.sum() == round(density * weights.size)
    for group in (weights > 0, weights < 0):
        # S · |W⁺|, to less than one weight, and the largest of them.
        assert abs(mask[group].sum() - density * group.sum()) < 1.01
        sizes = np.sort(np.abs(weights[group]))[::-1]
        kept = np.sort(np.abs(weights[group & mask]))[::-1]
        np.testing.assert_array_equal(kept, sizes[: len(kept)])


def test_sampling_among_allowed_weights_is_sampling_without_the_others():
    """With half of each neuron's inputs dropped, the shares are those of the other half."""
    rng = np.random.default_rng(0)
    r = rng.normal(size=(64, 300))
    allowed = np.argsort(rng.random(r.shape), axis=0) < 32
    mask = sample_mask(r, 1 / 8, layer_kind="dense", lam=0.75, allowed=allowed)
    assert mask.sum() == r.size / 8 and not (mask & ~allowed).any()
    assert (mask.sum(axis=0) == 8).all()
    upper = lower = 0
    for row, kept, open_ in zip(r.T, mask.T, allowed.T):
        for sign in (1, -1):
            group = [k for k in np.flatnonzero(open_) if row[k] * sign > 0]
            group = sorted(group, key=lambda k: -abs(row[k]))
            upper += kept[group[: (len(group) + 1) // 2]].sum()
            lower += kept[group[(len(group) + 1) // 2 :]].sum()
    assert upper / (upper + lower) == pytest.approx(0.75, abs=0.02)


def test_the_registry():
    assert set(NAMES) <= set(criteria())
    assert criterion("correlation, lam=1 , memory=64") == criteria()["correlation"](1.0, 64.0)
    assert criterion("correlation", lam=0.5, draws=3).lam == 0.5
    assert criterion("correlation,lam=0", lam=0.5).lam == 0.0
    for text in ("obd,draws=3", "brp,strength=0.001,rounds=7", "random", "correlation,lam=0.25"):
        assert criterion(str(criterion(text))) == criterion(text)


@pytest.mark.parametrize(
    "text, message",
    [
        ("hessian", "no criterion 'hessian'; choose from brp, correlation, "),
        ("obd,passes=2", "has no setting 'passes'; it has draws=…"),
        ("random,seed=2", "it has none"),
        ("obd,draws=two", "must be a int, got 'two'"),
        ("obd,draws=0", "at least 1"),
        ("correlation,lam=2", r"in \[0, 1\]"),
        ("brp,share=0", "share of criterion 'brp' makes no sense"),
    ],
)
def test_nonsense_is_refused(text, message):
    with pytest.raises(ValueError, match=message) as error:
        criterion(text)
    assert "\n" not in str(error.value)


MINE = '''
import dataclasses
import numpy as np
from sparseface_tf.criteria import Criterion, setting

@dataclasses.dataclass(frozen=True)
class Power(Criterion):
    """Smallest or largest |w|."""

    name = "power_of_test"
    power: float = setting(2.0, "Exponent.")

    def scores(self, model, layer_name, batches=None, *, seed=0, progress=False):
        return np.abs(np.asarray(model.get_layer(layer_name).kernel)) ** self.power
'''


def test_a_criterion_of_ones_own_in_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    try:
        load_criteria(str(path))
        model = keras.Sequential([keras.Input((8,)), MaskedDense(4, name="d")])
        smallest = criterion("power_of_test,power=-1").mask(model, "d", 0.25)
        kernel = np.abs(np.asarray(model.get_layer("d").kernel))
        assert smallest.sum() == 8 and kernel[smallest].max() <= kernel[~smallest].min()
        # Changed, in the same second and as long as before, and read again.
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_text(MINE.replace("2.0", "3.0"))
        os.utime(path, ns=times)
        load_criteria(str(path))
        assert criterion("power_of_test").power == 3.0
    finally:
        Criterion.named.pop("power_of_test", None)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "No file of criteria"),
        ("x = 1", "defines no criterion"),
        ("x = = 1", "cannot be run: SyntaxError"),
        (MINE.replace("power_of_test", "obd"), "'obd' is in sparseface_tf.criteria.obd already"),
    ],
)
def test_files_without_a_criterion(tmp_path, content, message):
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises((ValueError, OSError), match=message):
        load_criteria(str(path))


def test_blocks_and_images_that_are_missing():
    model = keras.Sequential([keras.Input((8,)), MaskedDense(4, name="d"), layers.Dense(2)])
    with pytest.raises(ValueError, match="'brp' keeps single weights only"):
        criterion("brp").callback("d", 0.5, block=4)
    with pytest.raises(ValueError, match="looks at held-out images"):
        criterion("wanda").mask(model, "d", 0.5)
    with pytest.raises(ValueError, match="density, the fraction kept, must lie in"):
        criterion("random").mask(model, "d", 1.5)
    with pytest.raises(ValueError, match="block=3 does not divide the input axis of 8"):
        criterion("random").mask(model, "d", 0.5, block=3)
    with pytest.raises(ValueError, match="not those of a Dense, a Conv2D"):
        criterion("random").mask(keras.Sequential([layers.Flatten(name="flat")]), "flat", 0.5)
    assert dataclasses.fields(criterion("random")) == ()
