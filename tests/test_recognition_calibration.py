"""What scores mean: each number against NumPy in loops, or against what is known of the scores."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from scipy.stats import norm

from pipelines.batches.pairs import Pairs
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian
from sparseface_tf.recognition import scoring
from sparseface_tf.recognition.calibration import Calibration, far_steps
from sparseface_tf.recognition.pairs import all_pairs, listed_pairs
from sparseface_tf.recognition.scoring import Scoring, read_scorings, write_scorings
from sparseface_tf.recognition.tail import Tail, rate_of_comparison


def normal_scores(people=40, each=10, seed=0):
    """Scores N(2, 1) of one person, N(0, 1) of two: the log-odds are 2 s - 2."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), each)
    i, j = np.triu_indices(len(labels), 1)
    same = labels[i] == labels[j]
    return generator.normal(2.0 * same), same, np.stack([labels[i], labels[j]], 1)


@pytest.fixture(scope="module")
def calibration():
    return Calibration.of(*normal_scores())


def test_probability_is_that_of_normal_scores(calibration):
    assert calibration.slope == pytest.approx(2, abs=0.15)
    assert calibration.intercept == pytest.approx(-2, abs=0.15)
    scores = np.array([-1000.0, -1, 1, 2, 1000])
    expected = norm.pdf(scores[1:4] - 2) / (norm.pdf(scores[1:4] - 2) + norm.pdf(scores[1:4]))
    np.testing.assert_allclose(calibration.probability(scores)[1:4], expected, atol=0.03)
    assert (calibration.probability(scores)[[0, -1]] == [0, 1]).all()


def test_rates_against_counting(calibration):
    scores, same, _ = normal_scores()
    assert (calibration.people, calibration.genuine) == (40, same.sum())
    assert calibration.impostors == (~same).sum()
    for far in (0.1, 0.01, 0.001):
        assert far in calibration.far
    for k, far in enumerate(calibration.far):
        t = calibration.threshold[k]
        count = sum(1 for s, yes in zip(scores, same) if s >= t and not yes)
        assert count == calibration.false_accepts[k] <= far * (~same).sum() + 1e-6
        assert count + 1 > far * (~same).sum() - 1e-6  # none that is allowed is given away
        assert calibration.tar[k] == np.mean([s >= t for s, yes in zip(scores, same) if yes])
        assert calibration.far_low[k] < count / (~same).sum() < calibration.far_high[k]
        assert calibration.tar_low[k] < calibration.tar[k] < calibration.tar_high[k]
    assert calibration.threshold_at(0.01) == (calibration.threshold[calibration.far == 0.01], True)
    # Between two steps the stricter one.
    k = len(calibration.far) // 2
    between = np.sqrt(calibration.far[k] * calibration.far[k + 1])
    assert calibration.threshold_at(between)[0] == calibration.threshold[k]


def test_intervals_against_resampling_in_loops():
    scores, same, identities = normal_scores(people=12, each=6)
    found = Calibration.of(scores, same, identities, seed=3)
    generator = np.random.default_rng(5)
    k = np.argmin(np.abs(found.far - 0.1))
    rates = []
    for _ in range(2000):
        times = np.bincount(generator.integers(12, size=12), minlength=12)
        weight = times[identities[:, 0]] * times[identities[:, 1]]
        rates.append([
            np.average(scores[~same] >= found.threshold[k], weights=weight[~same]),
            np.average(scores[same] >= found.threshold[k], weights=times[identities[same, 0]]),
        ])
    low, high = np.quantile(rates, [0.025, 0.975], axis=0)
    spread = high - low
    assert abs(found.far_low[k] - low[0]) < 0.1 * spread[0]
    assert abs(found.far_high[k] - high[0]) < 0.1 * spread[0]
    assert abs(found.tar_low[k] - low[1]) < 0.1 * spread[1]
    assert abs(found.tar_high[k] - high[1]) < 0.1 * spread[1]


def test_the_tail_goes_on_where_counting_ends():
    impostor = np.sort(np.random.default_rng(0).normal(size=300_000))
    tail = Tail.of(impostor)
    for far in (1e-4, 1e-5, 1e-6):
        assert tail.threshold(far) == pytest.approx(norm.isf(far), abs=0.25)
    assert tail.threshold(tail.rate) == pytest.approx(tail.start)


def test_thresholds_rise_as_rates_fall(calibration):
    rates = np.geomspace(0.1, 1e-12, 300)
    found = [calibration.threshold_at(rate) for rate in rates]
    assert (np.diff([t for t, _ in found]) >= 0).all()
    assert found[0][1] and not found[-1][1]
    for rate in (0, -1, 0.2, np.nan):
        with pytest.raises(ValueError, match="A false accept rate must be above 0"):
            calibration.threshold_at(rate)


@given(st.floats(1e-9, 0.1), st.integers(1, 10**6))
def test_rate_of_a_search(rate, comparisons):
    one = rate_of_comparison(rate, comparisons)
    assert 0 < one <= rate * (1 + 1e-12)
    assert 1 - np.exp(comparisons * np.log1p(-one)) == pytest.approx(rate, rel=1e-4)


@given(st.integers(100, 10**9))
def test_steps_of_rates(impostors):
    far = far_steps(impostors)
    assert far[-1] == 0.1 and far[0] * impostors >= 10 * (1 - 1e-8)
    assert len(far) == 1 or far[0] * impostors < 10 * 10 ** (1 / 20) * (1 + 1e-8)


def test_scores_of_all_pairs_in_loops(monkeypatch):
    monkeypatch.setattr("sparseface_tf.recognition.pairs.BLOCK", 5)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(13, 4)) + np.repeat(generator.normal(size=(4, 4)), 4, 0)[:13]
    labels = np.repeat(np.arange(4), 4)[:13]
    for scorer in (Cosine(), JointBayesian().fit(features, labels)):
        scores, same, identities = all_pairs(scorer, features, labels)
        pairs = [(i, j) for i in range(13) for j in range(i + 1, 13)]
        # The blocks go row by row, as the loop does.
        expected = [scorer.score_pairs(features[[i]], features[[j]])[0] for i, j in pairs]
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(identities, [(labels[i], labels[j]) for i, j in pairs])
        np.testing.assert_array_equal(same, [labels[i] == labels[j] for i, j in pairs])
        chosen = Pairs(np.array(pairs[5:9]), same[5:9], np.zeros(4))
        again = listed_pairs(scorer, features, labels, chosen)
        np.testing.assert_allclose(again[0], expected[5:9])
        np.testing.assert_array_equal(again[2], identities[5:9])


def test_clear_errors():
    scores, same, identities = normal_scores(people=10, each=4)
    with pytest.raises(ValueError, match="no higher than pairs of different people"):
        Calibration.of(-scores, same, identities)
    with pytest.raises(ValueError, match="not finite"):
        Calibration.of(np.where(same, np.nan, scores), same, identities)
    few = np.flatnonzero(same)[:3]
    kept = np.concatenate([few, np.flatnonzero(~same)])
    with pytest.raises(ValueError, match="3 pairs of one person are too few"):
        Calibration.of(scores[kept], same[kept], identities[kept])
    kept = np.concatenate([np.flatnonzero(same), np.flatnonzero(~same)[:50]])
    with pytest.raises(ValueError, match="50 pairs of different people are too few"):
        Calibration.of(scores[kept], same[kept], identities[kept])
    with pytest.raises(ValueError, match="highest scores of different people are all equal"):
        Calibration.of(np.where(same, 2.0, 0.0), same, identities)


# --- Search ---------------------------------------------------------------------------------------


def search_by_hand(scoring, probe, gallery, names, far):
    """Match of one face, in loops."""
    best = {}
    for vector, name in zip(gallery, names):
        score = float(scoring.scorer.score_pairs(probe[None], vector[None])[0])
        best[name] = max(score, best.get(name, -np.inf))
    ratios = {name: np.exp(scoring.calibration.log_ratio(score)) for name, score in best.items()}
    name = max(best, key=best.get)
    total = sum(ratio * 0.5 / len(best) for ratio in ratios.values()) + 0.5
    rate = 1 - (1 - far) ** (1 / len(gallery))
    known = best[name] >= scoring.calibration.threshold_at(rate)[0]
    return name, known, best[name], ratios[name] * 0.5 / len(best) / total


@pytest.mark.parametrize("kind", [scoring.COSINE, scoring.JOINT_BAYESIAN])
def test_search_against_loops(kind):
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(30, 8))
    labels = np.repeat(np.arange(30), 6)
    features = (centres[labels] + 0.4 * generator.normal(size=(180, 8))).astype(np.float32)
    scorer = Cosine() if kind == scoring.COSINE else JointBayesian().fit(features, labels)
    scores = Scoring(scorer, Calibration.of(*all_pairs(scorer, features, labels)))
    # A gallery of the first ten, of one to five faces each; probes of twenty people.
    rows = [6 * p + k for p in range(10) for k in range(1 + p % 5)]
    gallery, names = features[rows], [f"Person {labels[row]}" for row in rows]
    probes = features[5 : 6 * 20 : 6]
    matches = scores.search(probes, gallery, names, 0.05)
    assert {match.known for match in matches[10:]} == {False}  # strangers
    assert sum(match.known for match in matches[:10]) >= 4
    for probe, match in zip(probes, matches):
        name, known, score, probability = search_by_hand(scores, probe, gallery, names, 0.05)
        assert (match.name, match.known) == (name, known)
        assert match.score == pytest.approx(score, rel=1e-4, abs=1e-5)
        assert match.probability == pytest.approx(probability, rel=1e-3, abs=1e-9)
    assert scores.search(probes[:0], gallery, names, 0.05) == []
    empty = scores.search(probes[:2], gallery[:0], [], 0.05)
    assert [(m.name, m.known) for m in empty] == [(None, False)] * 2


# --- The file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory, calibration):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 6)) + np.repeat(generator.normal(size=(12, 6)), 5, 0)
    scorer = JointBayesian(4, random_state=0).fit(features, np.repeat(np.arange(12), 5))
    scorings = {
        scoring.COSINE: Scoring(Cosine(), calibration),
        scoring.JOINT_BAYESIAN: Scoring(scorer, calibration),
    }
    path = tmp_path_factory.mktemp("file") / "recognition.npz"
    write_scorings(path, "a key", scorings)
    return path, features, scorer


def test_what_is_read_scores_as_what_was_written(written, calibration):
    path, features, scorer = written
    found = read_scorings(path, "a key")
    assert [*found] == [scoring.COSINE, scoring.JOINT_BAYESIAN]
    again = found[scoring.JOINT_BAYESIAN].scorer
    expected = scorer.score_matrix(features, features)
    np.testing.assert_allclose(again.score_matrix(features, features), expected, atol=1e-9)
    for one in found.values():
        assert one.calibration.tail == calibration.tail
        assert one.calibration.threshold_at(0.003) == calibration.threshold_at(0.003)
        assert one.calibration.probability(0.7) == calibration.probability(0.7)
    with np.load(path, allow_pickle=False) as file:  # nothing that could run
        assert all(file[name].dtype.kind in "ifU" for name in file.files)


def rewritten(path, target, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(target, **{name: value for name, value in arrays.items() if value is not None})
    return target


def test_other_files_are_refused_in_one_line(written, tmp_path):
    path = written[0]
    with pytest.raises(ValueError, match="of another network .*calibrate this one"):
        read_scorings(path, "another key")
    with pytest.raises(FileNotFoundError, match="No calibration .* calibrate --data=DIR makes it"):
        read_scorings(tmp_path / "none.npz", "a key")
    target = tmp_path / "bad.npz"
    bad = [
        {"version": np.int64(9)},
        {"version": None},
        {"cosine.slope": None},
        {"cosine.slope": np.float64(-1)},
        {"cosine.far": np.array([0.1, 0.01])},
        {"cosine.threshold": np.array(["1"])},
        {"joint_bayesian.mean": np.zeros(5)},
        {"joint_bayesian.variances": -np.ones(4)},
        {"joint_bayesian.projection": np.full((6, 4), np.nan)},
    ]
    for change in bad:
        with pytest.raises(ValueError, match="is no calibration") as error:
            read_scorings(rewritten(path, target, **change), "a key")
        assert "\n" not in str(error.value)

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    np.savez(target, model=np.array([Evil()], dtype=object), version=np.int64(1))
    with pytest.raises(ValueError, match="is no calibration, or damaged: Object arrays"):
        read_scorings(target, "a key")
    assert not (tmp_path / "harm").exists()

    # A few kilobytes that would become gigabytes.
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 26,)}
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("version.npy", header.getvalue() + bytes(scoring.MAX_BYTES + 1))
    with pytest.raises(ValueError, match="more than 256 MiB"):
        read_scorings(target, "a key")


@examples(60)
@given(st.data())
def test_damaged_files_are_refused_or_read(written, tmp_path_factory, data):
    content = bytearray(written[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.mktemp("damaged") / "recognition.npz"
    path.write_bytes(bytes(content))
    try:
        assert read_scorings(path, "a key")
    except ValueError as error:
        assert "\n" not in str(error)
