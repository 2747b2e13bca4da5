"""Which channels are kept."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from sparseface_tf.criteria import channel_criteria, channel_criterion, load_criteria

GAMMAS = {"a": [0.9, -0.5, 0.05, 0.3, 0.1], "b": [0.01, 0.02, -0.03], "c": [1.0, 0.11, 0.4, 0.2]}


@pytest.fixture(scope="module")
def model():
    x = image = keras.Input((4, 4, 2))
    for name, gamma in GAMMAS.items():
        x = keras.layers.Conv2D(len(gamma), 3, padding="same", name=name)(x)
        x = keras.layers.BatchNormalization(name=f"{name}_n")(x)
        x = keras.layers.ReLU()(x)
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="top")(x))
    for name, gamma in GAMMAS.items():
        model.get_layer(f"{name}_n").gamma.assign(gamma)
    return model


def lists(kept):
    return {name: numbers.tolist() for name, numbers in kept.items()}


def test_there_are_these():
    assert list(channel_criteria()) == ["gamma", "norm", "prefix", "random"]
    assert str(channel_criterion("norm")) == "norm"
    with pytest.raises(ValueError, match="no criterion 'obd'; choose from gamma, norm"):
        channel_criterion("obd")


def test_one_threshold_for_all_layers(model):
    kept = channel_criterion("gamma").keep(model, threshold=0.1)
    # 0.1 in float32 is not above 0.1; of b the largest stays.
    large = np.float32(0.1) > 0.1
    assert lists(kept) == {"a": [0, 1, 3, 4] if large else [0, 1, 3], "b": [2], "c": [0, 1, 2, 3]}
    kept = channel_criterion("prefix").keep(model, threshold=0.15)
    assert lists(kept) == {"a": [0, 1, 2], "b": [0], "c": [0, 1, 2]}


def test_multiples_are_filled_up_with_the_next_best(model):
    kept = channel_criterion("gamma").keep(model, threshold=0.15, multiple=4)
    assert lists(kept) == {"a": [0, 1, 3, 4], "b": [0, 1, 2], "c": [0, 1, 2, 3]}


def test_a_share_is_of_the_whole_network_or_of_each_layer(model):
    kept = channel_criterion("gamma").keep(model, 0.5)  # six of twelve, and one of b
    assert lists(kept) == {"a": [0, 1, 3], "b": [2], "c": [0, 2, 3]}
    kept = channel_criterion("norm").keep(model, 0.5)
    assert {name: len(numbers) for name, numbers in kept.items()} == {"a": 2, "b": 2, "c": 2}
    for name, numbers in kept.items():
        kernel = np.asarray(model.get_layer(name).kernel)
        norms = [np.abs(kernel[..., k]).sum() for k in range(kernel.shape[-1])]
        assert set(numbers) == set(sorted(range(len(norms)), key=lambda k: -norms[k])[:2])
    for share in (0, 2):
        with pytest.raises(ValueError, match="share of channels"):
            channel_criterion("norm").keep(model, share)


@examples(20)
@given(
    name=st.sampled_from(["gamma", "prefix", "norm", "random"]),
    share=st.floats(0.01, 1),
    multiple=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_every_criterion_keeps_some_channels_of_each_layer_once(model, name, share, multiple, seed):
    kept = channel_criterion(name).keep(model, share, multiple=multiple, seed=seed)
    assert list(kept) == list(GAMMAS)
    for layer, numbers in kept.items():
        channels = len(GAMMAS[layer])
        assert 1 <= len(numbers) <= channels
        assert len(numbers) % multiple == 0 or len(numbers) == channels
        assert (np.diff(numbers) > 0).all() and 0 <= numbers[0] and numbers[-1] < channels
    again = channel_criterion(name).keep(model, share, multiple=multiple, seed=seed)
    assert lists(again) == lists(kept)


def test_chance_differs_by_seed_and_layer(model):
    chance = channel_criterion("random")
    first = {chance.scores(model, name, seed)[0] for name in "ab" for seed in (0, 1)}
    assert len(first) == 4


def test_broken_scales_come_last(model):
    layer = model.get_layer("a_n")
    before = np.array(layer.gamma)
    layer.gamma.assign([np.nan, 0.2, 0.3, np.nan, 0.1])
    kept = channel_criterion("gamma").keep(model, threshold=0.25)
    layer.gamma.assign(before)
    assert kept["a"].tolist() == [2]


def test_ones_own(model, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "from sparseface_tf.channels.criteria import ChannelCriterion\n"
        "class Last(ChannelCriterion):\n"
        "    name = 'last_of_test'\n"
        "    def scores(self, model, layer_name, seed=0):\n"
        "        return np.arange(model.get_layer(layer_name).filters)\n"
    )
    load_criteria(str(path))
    try:
        kept = channel_criterion("last_of_test").keep(model, 0.4)
        assert lists(kept) == {"a": [3, 4], "b": [2], "c": [2, 3]}
    finally:
        channel_criterion("gamma").named.pop("last_of_test")


def test_a_model_without_normalisations():
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match="no batch normalisation"):
        channel_criterion("gamma").keep(model, 0.5)
