"""Tables from runs: which networks they need, and what they compute of them."""

import dataclasses
import html.parser
import itertools
import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from made_runs import PAIRS, cells, classified, decisions, made_run, reproducer
from published import ijba_set, lfw_set, pictures

from pipelines.files import write_json
from sparseface_tf.evaluation.bootstrap import interval_of_share
from sparseface_tf.evaluation.comparison import compare
from sparseface_tf.layers import MaskedConv2D, MaskedDense, MaskedLocallyConnected2D
from sparseface_tf.reproduction import published
from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.measures import (
    OVER_IMAGES,
    OVER_PAIRS,
    Claim,
    Measure,
    Paired,
    paired,
)
from sparseface_tf.reproduction.reproducer import Reproducer, Reproduction
from sparseface_tf.reproduction.results import Results
from sparseface_tf.reproduction.runs import Runs
from sparseface_tf.reproduction.tables import TABLES
from sparseface_tf.reproduction.tables.ranks import magnitude_ranks
from sparseface_tf.sparsify import kept_input_correlation
from sparseface_tf.training.experiment import Experiment

F = Chain(("1/256-f",))


# === Chains ===


def test_a_chain_names_its_folder_and_knows_what_it_goes_on_from():
    chain = Chain(("1/256-f", "1/128-5b:obd,draws=2"), from_scratch=True)
    assert chain.name == "1_256-f+1_128-5b_obd,draws=2+from_scratch"
    assert chain.title == "1/256-f 1/128-5b:obd,draws=2, from scratch"
    assert chain.ends() == [Chain(), F, chain]
    assert Chain(network="deepid2plus").name == "deepid2plus+dense"
    experiment = Chain(network="deepid2plus").experiment(Experiment.of(study=True, steps=1), 3, "x")
    experiment.check()
    assert (experiment.run.seed, experiment.run.output) == (3, "x")
    assert experiment.network.name == "deepid2plus"


@pytest.mark.parametrize(
    "tables, networks",
    [
        # dense, f, 5b, 4b, 5a twice, DeepID2+; dense re-trained three times.
        (["3"], 10),
        (["4"], 8),
        # dense; at each of three layers three selections, one of which goes on.
        (["5"], 10),
        (["6"], 2),
        (["7"], 7),
        (["8"], 13),
        # What Table 8 has beyond Table 5: three criteria at three layers.
        (["5", "8"], 19),
        (["figure1"], 4),
    ],
)
def test_networks_that_rows_share_are_trained_once(tables, networks, tmp_path):
    one = reproducer(tmp_path, tables)
    one.prepare()
    assert len(one.chains) == networks
    names = [chain.name for chain in one.chains]
    assert len(set(names)) == networks
    for chain in one.chains:
        before = chain.before()
        assert before is None or names.index(before.name) < names.index(chain.name)
    assert not list(tmp_path.iterdir())


def test_rows_can_be_added_and_left_out(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from sparseface_tf.criteria.magnitude import Magnitude\n"
        "class Mine(Magnitude):\n    name = 'mine_of_the_tables'\n"
    )
    one = reproducer(
        tmp_path, ["8"], criteria=["correlation"], criteria_file=str(tmp_path / "mine.py")
    )
    one.prepare()
    titles = [chain.title for chain in one.chains]
    assert "1/256-f 1/128-5b:mine_of_the_tables" in titles and len(titles) == 7
    mine, plain = (
        chain.experiment(one.settings, 0, "x").sparsity.criteria_file for chain in (one.chains[2], F)
    )
    assert (mine, plain) == (str(tmp_path / "mine.py"), "")
    one = reproducer(tmp_path, ["3"], controls=False)
    one.prepare()
    assert len(one.chains) == 7


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(table=[]), "No table: give --table, of 3, 4"),
        (dict(table=["2"]), "--table=2: choose from 3, 4"),
        (dict(table=["3"], seeds=0), "--seeds must be at least 1"),
        (dict(table=["8"], criteria=["best"]), "--criteria=best: there is no criterion 'best'"),
        (dict(table=["9"]), "give --ijba_data"),
        (dict(table=["ensemble"]), "give --ensemble"),
        (dict(table=["ensemble"], ensemble="nowhere"), "no nowhere"),
    ],
)
def test_nonsense_is_refused_in_one_line(options, message, tmp_path):
    one = Reproducer(Reproduction(**options), Experiment.of(output=str(tmp_path), steps=1))
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        one.prepare()
    assert "\n" not in str(error.value)


def test_published_figures_agree_where_tables_overlap():
    for layers, last in enumerate(published.TABLE_8, 1):
        stages = tuple(published.TABLE_8)[:layers]
        accuracies = {
            published.TABLE_3[stages][0],
            published.TABLE_5[last]["λ = 0.75"][0],
            published.TABLE_7[last][True][0],
            published.TABLE_8[last]["correlation"],
        }
        assert len(accuracies) == 1
    for kept, (ratio, accuracy) in published.TABLE_4.items():
        stages = ("1/256-f", "1/128-5b") + ((f"{kept}-5a",) if kept != "1" else ())
        assert published.TABLE_3.get(stages, (accuracy, ratio)) == (accuracy, ratio)


# === Numbers ===


def test_a_measure_is_the_mean_with_students_interval():
    values = [0.81, 0.84, 0.80, 0.86]
    one = Measure.of(dict(enumerate(values)))
    mean = sum(values) / 4
    error = (sum((v - mean) ** 2 for v in values) / 3 / 4) ** 0.5
    assert one.mean == pytest.approx(mean) and one.standard_error == pytest.approx(error)
    assert one.interval == pytest.approx((mean - 3.182446 * error, mean + 3.182446 * error))
    alone = Measure.of({2: 0.5}, (0.4, 0.6), "what")
    assert (alone.standard_error, alone.interval, alone.over) == (None, (0.4, 0.6), "what")


def test_networks_are_paired_seed_by_seed():
    ours = {seed: decisions(seed, 0.9) for seed in (0, 1, 2)}
    theirs = {seed: decisions(10 + seed, 0.7) for seed in (1, 2, 3)}
    found = paired("a", "b", ours, theirs, OVER_PAIRS)
    assert list(found.comparisons) == [1, 2]
    only_first = only_second = 0
    for seed in (1, 2):
        here = there = 0
        for right, other in zip(ours[seed]["right"], theirs[seed]["right"]):
            here, there = here + (right and not other), there + (other and not right)
        assert found.difference.values[seed] == pytest.approx((here - there) / PAIRS)
        p_value = scipy.stats.binomtest(int(here), int(here + there)).pvalue
        assert found.comparisons[seed].p_value == pytest.approx(p_value)
        only_first, only_second = only_first + here, only_second + there
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.difference.over == "2 seeds, Student's t"
    alone = paired("a", "b", ours, {0: theirs[1]}, OVER_PAIRS)
    assert alone.difference.over == OVER_PAIRS
    assert alone.difference.interval == alone.comparisons[0].interval
    assert paired("a", "b", ours, {9: theirs[1]}, OVER_PAIRS) is None
    theirs[1]["identities"] = theirs[1]["identities"] + 1
    with pytest.raises(ValueError, match=r"not tested on the same pairs or images \(seed 1\)"):
        paired("a", "b", ours, theirs, OVER_PAIRS)


@pytest.mark.parametrize(
    "values, interval, equal, verdict",
    [
        ([0.1, 0.11, 0.12], None, False, "holds"),
        ([-0.1, -0.11, -0.12], None, False, "does not hold"),
        ([0.1, -0.09, 0.05], None, False, "not decided, the sign agrees"),
        ([-0.1, 0.09, -0.05], None, False, "not decided, the sign does not agree"),
        ([0.1], None, False, "not decided, the sign agrees"),
        ([0.1], (0.05, 0.2), False, "holds for this seed"),
        ([-0.1], (-0.2, -0.05), False, "does not hold for this seed"),
        ([0.0], (-0.1, 0.1), False, "not decided, the sign is none"),
        ([0.1], (0.05, 0.2), True, "does not hold exactly for this seed"),
        ([0.1, -0.09, 0.05], None, True, "not contradicted"),
        ([], None, False, "not measured"),
    ],
)
def test_a_claim_holds_where_its_interval_excludes_zero(values, interval, equal, verdict):
    measure = Measure.of(dict(enumerate(values)), interval) if values else None
    assert Claim("a above b", measure, equal=equal).verdict == verdict


@pytest.mark.parametrize(
    "cells, verdict",
    [
        # A smoke run: both, only the first, only the second, neither of 40 pairs.
        ((14, 10, 2, 14), "not decided, neither is better than chance"),  # p = 0.04
        ((16, 4, 1, 19), "not decided, neither is better than chance"),
        # Better than chance, and McNemar's p is 0.064 although the interval excludes 0.
        ((25, 12, 4, 0), "not decided, the sign agrees"),  # p = 0.077
        ((25, 4, 12, 0), "not decided, the sign does not agree"),
        ((27, 12, 1, 0), "holds for this seed"),  # p = 0.003
        ((27, 1, 12, 0), "does not hold for this seed"),
        # One of them at chance, the other far above.
        ((18, 20, 2, 0), "holds for this seed"),
    ],
)
def test_a_claim_of_one_seed_needs_significance_and_more_than_chance(cells, verdict):
    both, first, second, neither = cells
    right = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], cells, axis=0).astype(bool)
    comparison = compare("a", "b", *right.T, np.arange(2 * len(right)).reshape(-1, 2))
    low_and_high = (0.01, 0.3) if first > second else (-0.3, -0.01)
    one = Measure.of({0: comparison.difference}, low_and_high, OVER_PAIRS)
    found = Paired("a", "b", {0: comparison}, one)
    assert found.p_value == comparison.p_value
    assert Claim.of("a above b", found).verdict == verdict


def test_chance_of_images_is_one_of_all_people():
    people = np.repeat(np.arange(50), 4)
    right = np.arange(200) % 50 == 0  # 4 of 200: as often as by chance
    answers = {0: {"right": right, "identities": people}}
    better = {0: {"right": np.arange(200) % 10 == 0, "identities": people}}
    assert paired("a", "b", answers, answers, OVER_IMAGES).at_chance
    assert not paired("a", "b", answers, better, OVER_IMAGES).at_chance


@limits(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from([(7, 3), (2, 2, 3, 4), (2, 1, 2, 2, 3, 2)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_magnitude_ranks(shape, seed):
    random = np.random.default_rng(seed)
    kernel, mask = random.normal(size=shape), random.random(shape) < 0.4
    positions = shape[:2] if len(shape) == 6 else ()
    window = shape[len(positions) : -1]
    for sign in (1, -1):
        expected = []
        for place in itertools.product(*map(range, positions)):
            for neuron in range(shape[-1]):
                column = [
                    (sign * kernel[(*place, *tap, neuron)], mask[(*place, *tap, neuron)])
                    for tap in itertools.product(*map(range, window))
                ]
                ordered = sorted((entry for entry in column if entry[0] > 0), reverse=True)
                expected += [
                    (rank + 0.5) / len(ordered)
                    for rank, (_, kept) in enumerate(ordered)
                    if kept
                ]
        assert sorted(magnitude_ranks(kernel, mask, sign)) == pytest.approx(sorted(expected))


def test_correlation_among_the_inputs_that_a_neuron_keeps():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            MaskedConv2D(4, 3, activation="relu", name="conv"),
            MaskedLocallyConnected2D(3, 2, activation="relu", name="local"),
            keras.layers.Flatten(),
            MaskedDense(5, name="dense"),
        ]
    )
    # A map that is dead for all images.
    model.get_layer("conv").bias.assign([0, 0, -1e3, 0])
    images = random.normal(size=(70, 6, 5, 2)).astype(np.float32)
    for name, below in (("local", "conv"), ("dense", "local")):
        mask = random.random(model.get_layer(name).mask.shape) < 0.5
        inside = keras.Model(model.inputs[0], model.get_layer(below).output)
        inputs = keras.ops.convert_to_numpy(inside(images)).astype(np.float64)
        if name == "local":
            rows, columns = mask.shape[:2]
            # Of each position its window, flattened as the kernel is.
            windows = [
                inputs[:, y : y + 2, x : x + 2].reshape(70, -1)
                for y in range(rows)
                for x in range(columns)
            ]
            kept = mask.reshape(rows * columns, -1, mask.shape[-1])
        else:
            windows, kept = [inputs.reshape(70, -1)], mask[None]
        coefficients = []
        for window, neurons in zip(windows, kept):
            for neuron in range(neurons.shape[-1]):
                seen = [c for c in np.flatnonzero(neurons[:, neuron]) if window[:, c].std() > 0]
                for a, b in itertools.combinations(seen, 2):
                    coefficients.append(np.corrcoef(window[:, a], window[:, b])[0, 1])
        found = kept_input_correlation(model, name, images, mask, batch_size=32)
        assert found == pytest.approx(np.mean(coefficients), abs=1e-4)
        assert kept_input_correlation(model, name, images, np.zeros_like(mask)) is None
    with pytest.raises(ValueError, match="is a convolution"):
        kept_input_correlation(model, "conv", images)


# === Tables of runs ===


class _Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [
            value
            for name, value in attributes
            if name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:"))
        ]


def test_a_table_of_the_runs_that_are_there(tmp_path, capsys):
    accuracies = {}
    for criterion, share in (("correlation", 0.9), ("magnitude", 0.6), ("obd", 0.85)):
        own = "" if criterion == "correlation" else f":{criterion}"
        chain = Chain(("1/256-f", f"1/128-5b{own}"))
        # One that was stopped: one seed less.
        for seed in range(2 if criterion == "obd" else 3):
            value = made_run(tmp_path, chain, seed, share + 0.01 * seed)
            accuracies.setdefault(criterion, []).append(value)
    one = reproducer(tmp_path, ["8"], train=False)
    one.prepare()
    one.run()
    printed = capsys.readouterr().out
    text = (tmp_path / "table8.md").read_text()
    assert text in printed
    rows = {tuple(row[:2]): row for row in cells(text)[1:]}
    assert len(rows) == 12
    for criterion, values in accuracies.items():
        mean, n = np.mean(values), len(values)
        error = np.std(values, ddof=1) / n**0.5
        row = rows["1/128-5b", criterion]
        assert row[2] == f"{mean:.4f} ± {error:.4f}"
        assert row[3] == f"{published.TABLE_8['1/128-5b'][criterion]:.4f}"
        assert row[-1] == str(n)
        if criterion == "correlation":
            assert row[4] == "—"
        else:
            difference = 100 * np.mean(np.subtract(values, accuracies["correlation"][:n]))
            assert row[4].startswith(f"{difference:+.2f} [".replace("-", "−"))
    assert rows["1/128-5b", "brp"][2:] == ["—", "0.9902", "—", "—", "—", "0"]
    claims = {row[0]: row[1:] for row in cells(text, 1)[1:]}
    assert claims["1/128-5b: correlation above magnitude"][0] == "+0.11"
    assert claims["1/128-5b: correlation above magnitude"][2:] == ["3", "holds"]
    assert claims["1/256-f: obd above correlation"] == ["+0.07", "—", "0", "not measured"]
    assert "inputs that a neuron keeps: 1/128-5b 1 of 8" in text

    found = json.loads((tmp_path / "table8.json").read_text())
    row = next(r for r in found["rows"] if r["network"] == "1/256-f 1/128-5b:magnitude")
    assert list(row["measured"]["accuracy"]["values"].values()) == accuracies["magnitude"]
    assert row["published"] == {"accuracy": 0.9912}
    assert len(row["paired"]["comparisons"]) == 3

    page = (tmp_path / "table8.html").read_text()
    links = _Links()
    links.feed(page)
    assert not links.found and "<svg" in page and "not measured" in page
    assert (tmp_path / "table8_accuracies.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", [n for n in TABLES if n not in ("ensemble", "figure1")])
def test_tables_without_any_run_say_so(name, tmp_path, capsys):
    options = dict(ijba_data="nowhere") if name == "9" else {}
    one = reproducer(tmp_path, [name], train=False, **options)
    one.prepare()
    one.run()
    assert "none is finished" in capsys.readouterr().out
    (page,) = tmp_path.glob("*.md")
    text = page.read_text()
    assert text.count("not measured") == text.count("| not measured ") and "paper" in text


def test_learning_with_and_without_the_denser_network(tmp_path):
    anew = dataclasses.replace(F, from_scratch=True)
    ours = [made_run(tmp_path, F, seed, 0.9) for seed in (0, 1)]
    theirs = [made_run(tmp_path, anew, seed, 0.7) for seed in (0, 1)]
    one = reproducer(tmp_path, ["7"], seeds=2, train=False)
    one.prepare()
    one.run()
    text = (tmp_path / "table7.md").read_text()
    with_, without = cells(text)[1:3]
    assert with_[:2] == ["1/256-f", "yes"] and without[:2] == ["1/256-f", "no"]
    assert with_[5].startswith(f"{1 - np.mean(ours):.4f} ±") and with_[6] == "0.0207"
    rise = 100 * np.mean(np.subtract(ours, theirs))
    claims = {row[0]: row for row in cells(text, 1)[1:]}
    smaller = claims["1/256-f: smaller error on the training set if pre-trained"]
    assert smaller[1] == "+0.22" and smaller[2].startswith(f"+{rise:.2f} [")
    assert (tmp_path / "table7_learning_curves.png").exists()


def test_runs_that_differ_make_no_table(tmp_path):
    made_run(tmp_path, Chain(), 0, 0.8)
    # Of another network, which sees the region at another size.
    made_run(tmp_path, Chain(network="deepid2plus"), 0, 0.8)
    reproducer(tmp_path, ["3"], train=False).prepare()
    made_run(tmp_path, F, 0, 0.8, epochs=3.0)
    with pytest.raises(ValueError, match="another --epochs than"):
        reproducer(tmp_path, ["3"], train=False).prepare()
    with pytest.raises(ValueError, match="holds a run with other settings .*--epochs was 3.0"):
        reproducer(tmp_path, ["3"]).prepare()


def test_the_ensemble_of_runs_by_region(tmp_path):
    for region, number in itertools.product(("face", "nose"), (0, 1)):
        stage = tmp_path / region / f"stage{number}"
        stage.mkdir(parents=True)
        write_json(tmp_path / region / "experiment.json", {"region": region})
        accuracy = 0.8 + 0.01 * number if region == "face" else 0.7 + 0.03 * number
        write_json(stage / "metrics.json", {"verification": {"test": {"accuracy": accuracy}}})
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    models = [f"{name}={tmp_path}/*/stage{n}" for n, name in enumerate(("dense", "sparse"))]
    write_json(evaluation / "evaluation.json", {"models": models})
    number = {"value": 0.85, "interval": [0.84, 0.86]}
    runs = [{"system": "sparse", "scorer": "cosine", "numbers": {"accuracy": number}}]
    write_json(evaluation / "report.json", {"protocols": {"lfw": {"runs": runs}}})
    one = reproducer(tmp_path / "out", ["ensemble"], train=False, ensemble=str(evaluation))
    one.prepare()
    one.run()
    text = (tmp_path / "out" / "ensemble.md").read_text()
    assert cells(text)[1] == ["sparse, cosine", "0.8500 [0.8400, 0.8600]", "—", "—", "—"]
    claim = cells(text, 1)[1]
    half = 100 * 12.7062 * np.std([0.01, 0.03], ddof=1) / 2**0.5
    assert claim[:2] == ["mean of sparse above that of dense", "+0.18"]
    assert claim[2] == f"+2.00 [{2 - half:.2f}, {2 + half:.2f}] points".replace("-", "−")
    singles = cells(text, 2)
    assert singles[1:4] == [
        ["face", "0.8000", "0.8100"],
        ["nose", "0.7000", "0.7300"],
        ["mean", "0.7500", "0.7700"],
    ]


def test_ijba_of_the_dense_and_the_sparse_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rendered = pictures(6, 4)
    ijba_set(tmp_path / "ijba", rendered)
    lfw_set(tmp_path / "train", rendered)
    networks = [Chain(), Chain(tuple(published.TABLE_8))]
    for chain in networks:
        made_run(tmp_path / "runs", chain, 0, 0.8)
        image = keras.Input((56, 48, 3))
        pixels = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(image))
        feature = keras.layers.Dense(6, activation="relu")(pixels)
        path = os.path.join(Runs(tmp_path / "runs", [0]).stage(chain, 0), "model.keras")
        keras.Model(image, feature).save(path)
    options = dict(ijba_data=str(tmp_path / "ijba/images"), ijba_lists=str(tmp_path / "ijba"))
    one = reproducer(tmp_path / "runs", ["9"], seeds=1, train=False, **options)
    one.prepare()
    table = one.tables[0]
    table.measure(one.runs, 0, Experiment.of(data=str(tmp_path / "train")))
    report = json.loads((tmp_path / "runs/seed0/ijba/report.json").read_text())
    one.run()
    rows = {tuple(row[:2]): row[2:] for row in cells((tmp_path / "runs/table9.md").read_text())}
    assert rows["sparse, paper", "Joint Bayesian"] == ["0.927", "0.726", "0.46", ""]
    found = report["protocols"]["ijba_verification"]["runs"]
    assert len(found) == 4
    for run in found:
        rates = [run["numbers"][f"TAR at FAR {far}"]["value"] for far in ("0.1", "0.01", "0.001")]
        assert rows[run["system"], run["scorer"]] == [*(f"{rate:.4f}" for rate in rates), "1"]
    # Measured once.
    table.measure(one.runs, 0, None)


@pytest.fixture(scope="module")
def poster(tmp_path_factory):
    """The poster's table of two seeds, and its folder."""
    folder = tmp_path_factory.mktemp("poster")
    dense = ("vgg16", "mobilenet", "squeezenet", "mobilefacenet")
    for chain in Reproduction(table=["poster"]).tables()[0].chains():
        for seed, accuracy in enumerate((0.8, 0.84)):
            # The networks that were not pruned are worse.
            one = accuracy - 0.1 * (chain.network in dense and not chain.stages)
            made_run(folder, chain, seed, one)
    one = reproducer(folder, ["poster"], seeds=2, train=False)
    one.prepare()
    one.run()
    return one, folder


def tables_of(folder):
    """The four tables of the poster's: the main one, claims, criteria, paired tests."""
    text = (folder / "poster.md").read_text()
    return [cells(text, number) for number in range(4)]


def test_the_posters_table(poster):
    one, folder = poster
    main, claims, criteria, tests = tables_of(folder)
    assert [row[0] for row in main[1:]] == [
        *("VGG-16", "MobileNet", "SqueezeNet", "MobileFaceNet", "nearest centre"),
        *("100 %", "75 %", "50 %", "25 %"),
    ]
    assert main[1][1:3] == ["0.6200 ± 0.0200", "0.8628"] and main[5][1] == "0.6200 ± 0.0200"
    assert [row[1].split()[0] for row in main[6:]] == ["0.7200", "0.6700", "0.6200", "0.5700"]
    assert [row[4] for row in main[6:]] == ["2.500", "0.750", "0.500", "0.250"]
    assert [row[5] for row in main[6:]] == ["6.87", "3.84", "1.68", "—"]
    assert main[7][3].startswith("0.6500") and main[7][8] == "2"
    claimed = {row[0]: row for row in claims[1:]}
    assert claimed["100 % above VGG-16"][1:3] == ["+0.10", "+10.00 [10.00, 10.00] points"]
    assert claimed["50 % above MobileNet"][2].startswith("+0.00")
    assert [row[0] for row in criteria[1:]] == [
        *("γ, prioritised", "first ones, prioritised", "γ, network slimming", "filters' norm"),
        "random",
    ]
    assert criteria[1][2].startswith("+10.00")
    tests = {(row[0], row[1]): row for row in tests[1:]}
    assert len(tests) == 6 + 5
    # Of 100 images the first 70 and the last 60 are identified, then 74 and 64.
    assert tests["100 %", "nearest centre"][4:6] == ["76", "56"]
    p_values = [scipy.stats.binomtest(n, n + m).pvalue for n, m in ((40, 30), (36, 26))]
    assert tests["100 %", "nearest centre"][6] == ", ".join(f"{p:.3f}" for p in p_values)
    assert tests["γ, prioritised", "VGG-16"][2].startswith("+10.00")


def test_the_posters_page_and_plot(poster):
    one, folder = poster
    assert json.loads((folder / "poster.json").read_text())["rows"][7]["network"] == "50 %"
    assert (folder / "poster_widths.png").read_bytes()[:4] == b"\x89PNG"
    # On the page what a row is called stands on the left, and what it has on the right.
    page = (folder / "poster.html").read_text()
    assert "<td>75 %</td>" in page and '<td class="figure">3.84</td>' in page
    here, there = one.tables[0].findings(Results(one.runs, one.chains)).figures["widths"][1].axes
    np.testing.assert_allclose(here.lines[0].get_xdata(), [2.5, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(here.lines[0].get_ydata(), [0.72, 0.67, 0.62, 0.57])
    np.testing.assert_allclose(there.lines[0].get_ydata(), [0.8638, 0.8140, 0.7847])
    assert [text.get_text() for text in here.texts] == ["100 %", "75 %", "50 %", "25 %"]
    names = [text.get_text() for text in here.figure.legends[0].get_texts()]
    assert {"MobileFaceNet", "½, random"} < set(names) and len(names) == 10


def test_a_single_seed_has_the_interval_of_its_images(poster, tmp_path):
    shutil.copytree(poster[1] / "seed0", tmp_path / "seed0")
    one = reproducer(tmp_path, ["poster"], seeds=2, train=False)
    one.prepare()
    one.run()
    main, claims, criteria, tests = tables_of(tmp_path)
    right = classified(0.7, 0.6)
    low, high = interval_of_share(right["accuracy"], right["identities"])
    assert main[6][1] == f"0.7000 [{low:.4f}, {high:.4f}]"
    low, high = interval_of_share(right["nearest_centre"], right["identities"])
    assert main[5][1] == f"0.6000 [{low:.4f}, {high:.4f}]"
    assert re.fullmatch(r"0\.6500 \[0\.\d{4}, 0\.\d{4}\]", main[7][3])
    claimed = {row[0]: row for row in claims[1:]}
    assert claimed["100 % above VGG-16"][-1] == "holds for this seed"
    assert claimed["50 % above MobileNet"][-1] == "not decided, the sign is none"
    assert claimed["100 % above nearest centre"][-1] == "not decided, the sign agrees"
    assert {row[3] for row in tests[1:]} == {OVER_IMAGES}
    # What is not trained yet is not there, and nothing breaks.
    shutil.rmtree(tmp_path / "seed0")
    one.run()
    assert cells((tmp_path / "poster.md").read_text())[1][1] == "—"


def test_the_posters_networks_are_trained_alike():
    settings = Experiment.of(steps=8, retrain_steps=6, width_multiplier=0.5, held_out_images=0.0)
    chains = Reproduction(table=["poster"]).tables()[0].chains()
    for chain in chains:
        for end in chain.ends():
            end.experiment(settings, 0, "x").check()
    found = {one.network: one.experiment(settings, 0, "x") for one in chains}
    # Images to classify are held out of all of them.
    assert {one.data.held_out_images for one in found.values()} == {0.2}
    assert {name for name, one in found.items() if one.channels.prioritise} == {"vgg16_prioritised"}
    assert {name for name, one in found.items() if one.channels.lambda_s} == {
        *("vgg16_prioritised", "vgg16_slimming")
    }
    # Half of the channels is trained at that width only.
    widths = {one.stages: one.experiment(settings, 0, "x").channels.widths() for one in chains}
    assert widths.pop(("channels",)) == [1, 0.75, 0.5, 0.25]
    assert all(one == [1] for one in widths.values())
    assert found["mobilenet"].network.width == 1 and found["vgg16"].network.width == 0.5
