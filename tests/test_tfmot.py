"""tensorflow-model-optimization's masks against the same rules in plain Python.

Starting a process that imports that package takes seconds, so what all tests ask it for is gathered
and asked for at once. That each question has a process of its own is seen in docs/pruning.md.
"""

import contextlib
import importlib.util
import io
import itertools
import os
import sys
from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from sparseface_tf import tfmot
from sparseface_tf.constraints import MaskConstraint
from sparseface_tf.criteria import criterion
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.tfmot import masks as asking
from sparseface_tf.tfmot import twins
from sparseface_tf.training.experiment import Experiment

needs_tfmot = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_model_optimization") is None,
    reason="tensorflow-model-optimization is not installed",
)

# Each kind of layer, the input that gives its kernel the shape, and the share of it to keep.
LAYERS = [
    (lambda: keras.layers.Dense(6), (8,), (8, 6), 1 / 3),
    (lambda: MaskedDense(3, use_bias=False), (7,), (7, 3), 1 / 2),
    (lambda: keras.layers.Conv2D(4, (3, 2), groups=2), (5, 5, 14), (3, 2, 7, 4), 1e-6),
    (lambda: MaskedConv2D(3, 2, padding="same"), (4, 4, 8), (2, 2, 8, 3), 1),
    (lambda: MaskedLocallyConnected2D(4, 2), (3, 2, 3), (2, 1, 2, 2, 3, 4), 0.1),
]
# Few different magnitudes in one kind of kernels, so that many are equal.
WEIGHTS = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e3, 1e3, width=32, allow_subnormal=False),
)


# Kernels of a dense layer and of a locally connected one. Whole numbers have exact means over four.
_RNG = np.random.default_rng(0)
BLOCKS = {k: _RNG.integers(-99, 99, LAYERS[k][2]).astype(np.float32) for k in (0, 4)}
NORMAL = {k: _RNG.normal(size=LAYERS[k][2]).astype(np.float32) for k in (0, 4)}


def gather(strategy, number):
    """That many examples of a strategy, without running anything on them yet."""
    examples = []

    @settings(max_examples=number, database=None, deadline=None, phases=[Phase.generate])
    @given(strategy)
    def collect(example):
        examples.append(example)

    collect()
    return examples


def network(kernels):
    """A model of one layer for each (index into LAYERS, kernel), named after its place."""
    inputs, outputs = [], []
    for i, (kind, kernel) in enumerate(kernels):
        make, input_shape, shape, _ = LAYERS[kind]
        layer = make()
        layer.name = f"layer_{i}"
        inputs.append(keras.Input(input_shape))
        outputs.append(layer(inputs[-1]))
        assert tuple(layer.kernel.shape) == shape
        layer.kernel.assign(kernel)
    return keras.Model(inputs, outputs)


def criterion_network():
    return network(list(NORMAL.items()))


def state_of_the_process():
    packages = {"tf_keras", "tensorflow_model_optimization"} & set(sys.modules)
    return dict(os.environ), packages, tf.keras.Model, keras.Model, keras.backend.backend()


def together(*questions):
    """Has several functions that ask tfmot for masks answered by one process.

    They are called twice: what they ask for is gathered, answered at once, and handed to them.

    Returns:
        (list of what they return, what the process' progress said).
    """
    layers, arguments, told = {}, {}, io.StringIO()

    def gather(some, their_twins, progress):
        start = len(layers)
        layers.update({(start, name): layer for name, layer in some.items()})
        arguments.update({(start, name): their_twins[name] for name in some})
        return {name: np.zeros(layer.kernel.shape, bool) for name, layer in some.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "masks_by_tfmot", gather)
        for question in questions:
            question()
    with contextlib.redirect_stderr(told):
        masks = iter(asking.masks_by_tfmot(layers, arguments, True).values())

    def answer(some, their_twins, progress):
        return {name: next(masks) for name in some}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "masks_by_tfmot", answer)
        return [question() for question in questions], told.getvalue()


@pytest.fixture(scope="module")
def drawn():
    """Kernels of every kind, as hypothesis draws them, in one model, and all their masks.

    Returns:
        (kernels by layer name, densities by layer name, magnitude masks, 2:4 masks, states of the
        process before and after, masks of blocks, masks of the criterion, what progress said).
    """
    def kernels(kind):
        array = st_numpy.arrays(np.float32, LAYERS[kind][2], elements=WEIGHTS)
        return st.tuples(st.just(kind), array)

    # Every kind with random weights too: hypothesis likes its arrays full of one number.
    rng = np.random.default_rng(0)
    examples = [(kind, rng.normal(size=LAYERS[kind][2])) for kind in range(len(LAYERS))] * 2
    for kind in range(len(LAYERS)):
        examples += gather(kernels(kind), 20)
    model = network(examples)
    weights = {layer.name: layer.kernel.numpy() for layer in model.layers if layer.weights}
    density = {f"layer_{i}": LAYERS[kind][3] for i, (kind, _) in enumerate(examples)}
    before = state_of_the_process()
    (magnitude, two_by_four, *others), told = together(
        lambda: tfmot.magnitude_masks(model, density=density, progress=False),
        lambda: tfmot.two_by_four_masks(model, progress=False),
        lambda: tfmot.magnitude_masks(
            network([(0, BLOCKS[0]), (4, BLOCKS[4])]), density=1 / 4, block_size=(4, 1)
        ),
        lambda: criterion("tfmot").mask(criterion_network(), "layer_0", Fraction(1, 4)),
        lambda: criterion("tfmot,pattern=2:4").mask(
            criterion_network(), "layer_1", Fraction(1, 2)
        ),
    )
    states = before, state_of_the_process()
    return weights, density, magnitude, two_by_four, states, others[0], others[1:], told


def naive_magnitude_mask(kernel, density):
    """ConstantSparsity: everything that is not below the k-th greatest magnitude."""
    share = np.float32(1) - np.float32(1 - density)
    k = max(int(np.round(np.float32(kernel.size) * share)), 1)
    threshold = sorted((abs(w) for w in kernel.flat), reverse=True)[k - 1]
    return np.array([abs(w) >= threshold for w in kernel.flat]).reshape(kernel.shape)


def naive_two_by_four_mask(kernel):
    """The first two of every four, greatest first, along the inputs."""
    mask = np.zeros(kernel.shape, bool)
    if kernel.ndim == 6:
        # A row is the window of one position and filter.
        rows = [
            [(y, x, *place, f) for place in np.ndindex(kernel.shape[2:5])]
            for y, x, f in np.ndindex(*kernel.shape[:2], kernel.shape[5])
        ]
    else:
        # A row is the inputs of one unit, or of one filter at one place of the window.
        rows = [
            [(*place, i, f) for i in range(kernel.shape[-2])]
            for *place, f in np.ndindex(*kernel.shape[:-2], kernel.shape[-1])
        ]
    for row in rows:
        for start in range(0, len(row), 4):
            four = sorted(row[start : start + 4], key=lambda at: -abs(kernel[at]))
            for at in four[:2]:
                mask[at] = True
    return mask


@needs_tfmot
def test_magnitude_masks_keep_all_above_the_threshold(drawn):
    weights, density, masks, *_ = drawn
    assert masks.keys() == weights.keys()
    for name, mask in masks.items():
        assert mask.dtype == bool
        expected = naive_magnitude_mask(weights[name], density[name])
        np.testing.assert_array_equal(mask, expected, err_msg=f"{name}, density={density[name]}")
    # Of the random kernels: shares are kept, not zeroed; 10.5 is rounded to even; one weight is
    # kept at least.
    assert [masks[f"layer_{i}"].sum() for i in range(len(LAYERS))] == [16, 10, 1, 96, 10]
    # Where magnitudes are equal there are more.
    assert any(mask.sum() > 16 for mask in masks.values() if mask.size == 48)


@needs_tfmot
def test_two_by_four_masks_keep_two_of_every_four_inputs(drawn):
    weights, _, _, masks, *_ = drawn
    assert masks.keys() == weights.keys()
    for name, mask in masks.items():
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, naive_two_by_four_mask(weights[name]), err_msg=name)


@needs_tfmot
def test_the_process_is_left_as_it_was(drawn):
    before, after = drawn[4]
    assert after == before
    assert "tensorflow_model_optimization" not in sys.modules
    assert keras.version().startswith("3.")


def naive_block_mask(kernel, density, block, pool):
    """ConstantSparsity over blocks of a 2-D kernel."""
    height, width = block
    corners = list(itertools.product(
        range(0, kernel.shape[0], height), range(0, kernel.shape[1], width)
    ))
    scores = [pool(np.abs(kernel[y : y + height, x : x + width])) for y, x in corners]
    threshold = sorted(scores, reverse=True)[max(round(len(scores) * density), 1) - 1]
    mask = np.zeros(kernel.shape, bool)
    for (y, x), score in zip(corners, scores):
        mask[y : y + height, x : x + width] = score >= threshold
    return mask


@needs_tfmot
def test_blocks_are_kept_whole(drawn):
    dense, local, masks, shown = BLOCKS[0], BLOCKS[4], drawn[5], drawn[7]
    np.testing.assert_array_equal(
        masks["layer_0"], naive_block_mask(dense, 1 / 4, (4, 1), np.mean)
    )
    # Positions side by side, windows flattened, and back by loops.
    flat = np.stack([local[y, 0].reshape(12, 4) for y in range(2)], axis=1).reshape(12, 8)
    flat = naive_block_mask(flat, 1 / 4, (4, 1), np.mean).reshape(12, 2, 4)
    for y in range(2):
        np.testing.assert_array_equal(masks["layer_1"][y, 0], flat[:, y].reshape(2, 2, 3, 4))
    assert masks["layer_1"].mean() == 1 / 4
    assert "'layer_0'): tfmot keeps 12 of 48 weights (25.0000%)" in shown
    assert "'layer_1'): tfmot keeps 24 of 96 weights (25.0000%)" in shown


@needs_tfmot
@pytest.mark.parametrize("before", [None, keras.constraints.MaxNorm(0.5, axis=0)])
def test_a_plain_keras_model_trains_sparse(drawn, before):
    mask = drawn[2]["layer_0"][:, ::-1] & drawn[3]["layer_0"]
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(6, name="f", kernel_constraint=before)]
    )
    kernel = model.get_layer("f").kernel
    kernel.assign(np.where(mask, kernel, 0))
    kernel.constraint = MaskConstraint(mask, inner=kernel.constraint)
    start = kernel.numpy()
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(64, 8)), rng.normal(size=(64, 6)), epochs=2, verbose=0)
    trained = kernel.numpy()
    assert (trained[~mask] == 0).all() and (trained[mask] != start[mask]).all()
    if before is not None:
        assert (np.linalg.norm(trained, axis=0) <= 0.5 + 1e-5).all()


def test_the_twin_has_the_kernel_and_gives_it_back():
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=shape).astype(np.float32) for _, _, shape, _ in LAYERS]
    model = network(list(enumerate(kernels)))
    for i, kernel in enumerate(kernels):
        layer = model.get_layer(f"layer_{i}")
        twin = twins.to_twin(layer)
        assert twin.shape == twins._twin_shape(layer)
        np.testing.assert_array_equal(twins.from_twin(layer, twin), kernel)
    # The locally connected one: a row a place in the window, a column a position and filter.
    for y, x, *place, f in np.ndindex(kernel.shape):
        row = np.ravel_multi_index(place, kernel.shape[2:5])
        column = np.ravel_multi_index((y, x, f), (2, 1, 4))
        assert twin[row, column] == kernel[(y, x, *place, f)]


def small():
    return keras.Sequential([
        keras.Input((6, 6, 4)),
        keras.layers.Conv2D(4, 3, name="c"),
        keras.layers.BatchNormalization(name="n"),
        keras.layers.Flatten(),
        keras.layers.Dense(6, name="f"),
    ])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(density=0), r"density, the share of the weights of layer 'c' that stay \(1 - tfmot's"),
        (dict(density=1.5), "must lie in"),
        (dict(density=float("nan")), "must lie in"),
        (dict(density={"f": 0.5}, layer_names=["c"]), "density has no value for layer 'c'"),
        (dict(density={"n": 0.5}), "layer 'n' is a BatchNormalization"),
        (dict(density=0.5, layer_names=["g"]), "No such layer: g"),
        (dict(density=0.5, block_size=(4, 1)), "layer 'c' is a convolution"),
        (dict(density={"f": 0.5}, block_size=(5, 1)), "do not divide its 64 inputs and 6 outputs"),
        (dict(density={"f": 0.5}, block_size=(1, 6)), "two blocks or more along either axis"),
        (dict(density=0.5, block_size=(4,)), "two positive integers"),
        (dict(density=0.5, block_pooling="SUM"), "block_pooling must be 'AVG' or 'MAX'"),
    ],
)
def test_bad_arguments_end_with_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as raised:
        tfmot.magnitude_masks(small(), **arguments)
    assert "\n" not in str(raised.value)


def test_bad_models_end_with_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with pytest.raises(ValueError, match="build the model first"):
        tfmot.two_by_four_masks(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(ValueError, match="has no Dense, Conv2D or Masked"):
        tfmot.two_by_four_masks(keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]))
    model = small()
    model.get_layer("f").kernel.assign(np.full((64, 6), np.nan))
    with pytest.raises(ValueError, match="layer 'f' has weights that are not finite"):
        tfmot.two_by_four_masks(model)


@pytest.fixture
def without_the_package(monkeypatch):
    """Python does not find tensorflow-model-optimization."""
    found = importlib.util.find_spec

    def find_spec(name, package=None):
        return None if name == "tensorflow_model_optimization" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def test_without_the_package_the_message_says_what_to_install(without_the_package):
    with pytest.raises(ValueError, match="pip install tensorflow-model-optimization"):
        tfmot.two_by_four_masks(small())


def test_a_package_that_fails_ends_with_its_last_line(monkeypatch, tmp_path):
    broken = tmp_path / "tensorflow_model_optimization.py"
    broken.write_text("raise ImportError('made for another TensorFlow')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ChildProcessError, match="status 1: ImportError: made for another TensorFlow"
    ) as raised:
        tfmot.two_by_four_mask(small(), "f", progress=False)
    assert "\n" not in str(raised.value)


@needs_tfmot
def test_the_criterion(drawn):
    rng = np.random.default_rng(0)
    weights, (magnitude, two_by_four), model = NORMAL, drawn[6], criterion_network()
    np.testing.assert_array_equal(magnitude, naive_magnitude_mask(weights[0], 1 / 4))
    np.testing.assert_array_equal(two_by_four, naive_two_by_four_mask(weights[4]))
    layer = model.get_layer("layer_1")
    layer.assign_mask(rng.random(layer.kernel.shape) < 0.5)
    with pytest.raises(ValueError, match="'layer_1' is sparse already"):
        criterion("tfmot").mask(model, "layer_1", 0.1)
    with pytest.raises(ValueError, match="keeps 1/2 of a layer, not 0.1"):
        criterion("tfmot,pattern=2:4").mask(model, "layer_0", 0.1)
    with pytest.raises(ValueError, match="single weights only"):
        criterion("tfmot").check(block=4)
    with pytest.raises(ValueError, match="must be 'magnitude' or '2:4', got '1:2'"):
        criterion("tfmot,pattern=1:2").check()
    with pytest.raises(ValueError, match=r"--sparsify=1/4-f:tfmot,pattern=2:4: .* 1/2 of a layer"):
        Experiment.of(steps=1, retrain_steps=1, sparsify=["1/4-f:tfmot,pattern=2:4"]).check()


def test_the_criterion_without_the_package(without_the_package):
    with pytest.raises(ValueError, match="--criterion=tfmot: .* is not installed: pip install"):
        Experiment.of(steps=1, retrain_steps=1, sparsify=["1/4-f"], criterion="tfmot").check()


def nested():
    """A model whose layers lie in a model and in a wrapper, beside one of its own."""
    backbone = keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(4, name="d")], name="body")
    return keras.Sequential([
        keras.Input((5, 4)),
        backbone,
        keras.layers.TimeDistributed(keras.layers.Dense(3, name="e"), name="wrapper"),
        keras.layers.Dense(2, name="f"),
    ])


def test_layers_inside_of_layers_are_named(caplog):
    model = nested()
    assert [*twins.layers_of(model, None)] == ["f"]
    assert "No masks for layers inside of other layers: 'd' in 'body', 'e' in 'wrapper'" in caplog.text
    caplog.clear()
    assert [*twins.layers_of(model, ["f"])] == ["f"]
    assert [*twins.layers_of(model.get_layer("body"), None)] == ["d"]
    assert not caplog.text
    for name, holder in (("d", "body"), ("e", "wrapper")):
        with pytest.raises(ValueError, match=rf"give model.get_layer\('{holder}'\) as the model"):
            twins.layers_of(model, ["f", name])
