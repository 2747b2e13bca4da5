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
from sparseface_tf.recognition.learning import calibrate
from sparseface_tf.recognition.pairs import all_pairs, listed_pairs, template_pairs
from sparseface_tf.recognition.scoring import Scoring, read_scorings, write_scorings
from sparseface_tf.recognition.search import NAMED, PROBABLY, UNKNOWN, Rule, Search
from sparseface_tf.recognition.tail import Tail
from sparseface_tf.recognition.templates import Templates


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


def test_rates_of_comparisons_are_those_of_the_thresholds(calibration):
    for far, threshold in zip(calibration.far, calibration.threshold):
        rate, measured = calibration.rate_at(calibration.log_ratio(threshold))
        assert rate == pytest.approx(far, rel=1e-6) and measured
    assert calibration.rate_at(-1000.0) == (0.1, True)
    beyond = np.linspace(calibration.threshold[0], calibration.threshold[0] + 3, 50)[1:]
    found = [calibration.rate_at(calibration.log_ratio(score)) for score in beyond]
    assert not any(measured for _, measured in found)
    assert (np.diff([rate for rate, _ in found]) <= 0).all() and found[0][0] <= calibration.far[0]
    for rate in (1e-5, 1e-6):  # the tail of normal scores
        log_ratio = calibration.log_ratio(norm.isf(rate))
        assert np.log10(calibration.rate_at(log_ratio)[0]) == pytest.approx(np.log10(rate), abs=0.7)


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


def test_scores_with_templates_in_loops():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), [7, 6, 5, 2, 1])
    features = generator.normal(size=(5, 4))[labels] + generator.normal(size=(21, 4))
    scorer = JointBayesian().fit(features, labels)
    scores, same, identities = template_pairs(scorer, features, labels, 2, most=10_000)
    # Templates of two: three, two and two of people with more than two faces, against the faces of
    # these that are not in them.
    templates, faces = {0: 3, 1: 2, 2: 2}, {0: 7, 1: 6, 2: 5}
    assert same.sum() == sum(count * (faces[p] - 2) for p, count in templates.items())
    for p, count in templates.items():
        for other in set(faces) - {p}:
            pairs = (identities == [p, other]).all(1)
            assert pairs.sum() == count * faces[other] and not same[pairs].any()
    # Each score is one of the mean of two faces of the person.
    for score, (p, other) in zip(scores, identities):
        rows = np.flatnonzero(labels == p)
        means = [features[[i, k]].mean(0) for i in rows for k in rows if i < k]
        expected = scorer.score_matrix(np.array(means), features[labels == other])
        assert np.abs(expected - score).min() < 1e-5
    # Of everyone as many fewer: one template and one face each.
    scores, same, _ = template_pairs(scorer, features, labels, 2, most=9)
    assert (len(scores), same.sum()) == (9, 3)
    assert not len(template_pairs(scorer, features, labels, 9, most=9)[0])


def test_a_template_is_the_mean_of_the_features():
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    people = Templates.of(["b", "a", "b", "b"], features)
    assert people.names == ["b", "a"] and people.photographs.tolist() == [3, 1]
    np.testing.assert_allclose(people.features, [features[[0, 2, 3]].mean(0), features[1]])
    assert len(Templates.of([], np.zeros((0, 0), np.float32))) == 0
    with pytest.raises(ValueError, match="1 names were given for 4 faces"):
        Templates.of(["a"], features)


# --- Search ---------------------------------------------------------------------------------------


def search_by_hand(scoring, probe, faces, names, rule):
    """(name, probability, score, rates of a search at this ratio) of one face, in loops."""
    people = list(dict.fromkeys(names))
    found = []
    for person in people:
        own = [face for face, name in zip(faces, names) if name == person]
        template = np.mean(own, axis=0, dtype=np.float64).astype(np.float32)
        calibration = scoring.calibration_of(len(own))
        score = float(scoring.scorer.score_pairs(probe[None], template[None])[0])
        ratio = np.exp(calibration.slope * score + calibration.intercept)
        share = rule.prior / len(people)
        found.append((ratio, person, ratio * share / (ratio * share + 1 - share), score))
    ratio, name, probability, score = max(found)
    none = 1.0
    for person in people:
        calibration = scoring.calibration_of(names.count(person))
        none *= 1 - calibration.rate_at(np.log(ratio))[0]
    return name, probability, score, 1 - none


@pytest.fixture(scope="module", params=[scoring.COSINE, scoring.JOINT_BAYESIAN])
def people(request):
    """A `Scoring` of invented people, and their features and labels."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 8))
    labels = np.repeat(np.arange(60), 8)
    features = (centres[labels] + 0.5 * generator.normal(size=(480, 8))).astype(np.float32)
    scorer = Cosine()
    if request.param == scoring.JOINT_BAYESIAN:
        scorer = JointBayesian().fit(features, labels)
    return Scoring(scorer, calibrate(scorer, features, labels)), features, labels


def gallery_of(features, labels, size):
    """Names and faces of the first people, one to five of each, and a face of each that is left."""
    rows = [8 * p + k for p in range(size) for k in range(1 + p % 5)]
    return [f"Person {labels[row]}" for row in rows], features[rows], features[7::8]


def test_search_against_loops(people):
    scores, features, labels = people
    assert [*scores.calibrations] == [1, 2, 3, 5]
    names, faces, probes = gallery_of(features, labels, 10)
    rule = Rule(far=0.02, prior=0.3)
    search = Search(scores, Templates.of(names, faces), rule)
    matches = search(probes)
    assert sum(match.grade == NAMED for match in matches[:10]) >= 6
    assert sum(match.grade == NAMED for match in matches[10:]) <= 4  # strangers
    for probe, match in zip(probes, matches):
        name, probability, score, far = search_by_hand(scores, probe, faces, names, rule)
        assert match.name == name
        assert match.score == pytest.approx(score, rel=1e-4, abs=1e-5)
        assert match.probability == pytest.approx(probability, rel=1e-3, abs=1e-9)
        # The grade says how often a stranger comes as far.
        assert far <= {NAMED: 0.02, PROBABLY: 0.1, UNKNOWN: 1}[match.grade] * 1.001
        assert far >= {NAMED: 0, PROBABLY: 0.02, UNKNOWN: 0.1}[match.grade] * 0.999
    assert search(probes[:0]) == []
    empty = Search(scores, Templates.of([], np.zeros((0, 0), np.float32)), rule)
    assert [(m.name, m.grade) for m in empty(probes[:2])] == [(None, UNKNOWN)] * 2


def test_no_face_with_a_higher_percentage_has_a_lower_grade(people):
    scores, features, labels = people
    order = {UNKNOWN: 0, PROBABLY: 1, NAMED: 2}
    for size in (1, 2, 20):
        names, faces, probes = gallery_of(features, labels, size)
        for far in (0.1, 0.01, 1e-6):
            found = {}
            for prior in (0.5, 0.01, 0.99):
                search = Search(scores, Templates.of(names, faces), Rule(far, prior))
                matches = sorted(search(probes), key=lambda match: match.probability)
                grades = [order[match.grade] for match in matches]
                assert grades == sorted(grades)
                for border, least in ((search.named, NAMED), (search.probably, PROBABLY)):
                    for match in matches:
                        reaches = match.probability >= border.probability
                        assert reaches == (order[match.grade] >= order[least])
                found[prior] = sorted((m.grade, m.name) for m in matches)
            # A prior moves percentages, not names.
            assert found[0.5] == found[0.01] == found[0.99]


def test_two_photographs_are_compared_as_a_search_among_one(people):
    scores, features, _ = people
    one = Search(scores, Templates.of(["A"], features[:1]), Rule(0.01))
    (match,) = one(features[1:2])
    ratio = scores.calibration.log_ratio(scores.scorer.score_pairs(features[:1], features[1:2])[0])
    assert match.probability == pytest.approx(1 / (1 + np.exp(-ratio)), rel=1e-4)
    rate, measured = scores.calibration.rate_at(one.named.log_ratio)
    assert rate == pytest.approx(0.01, rel=1e-6) and measured and one.named.measured
    assert one.probably.far == 0.1 and one.probably.log_ratio < one.named.log_ratio
    assert not Search(scores, Templates.of(["A"], features[:1]), Rule(1e-6)).named.measured


def test_strangers_are_named_at_the_rate_that_is_said():
    """Of a gallery with templates of one to five photographs, by people who calibrate nothing."""
    generator = np.random.default_rng(4)

    def faces(people, each):
        centres = generator.normal(size=(people, 1, 16))
        return (centres + 0.9 * generator.normal(size=(people, each, 16))).astype(np.float32)

    known = faces(100, 6).reshape(-1, 16)
    scores = Scoring(Cosine(), calibrate(Cosine(), known, np.repeat(np.arange(100), 6)))
    alarms = {far: [] for far in (0.1, 0.01)}
    for _ in range(12):
        others = faces(10, 6)
        names = [str(p) for p in range(10) for _ in range(1 + p % 5)]
        rows = np.concatenate([others[p, : 1 + p % 5] for p in range(10)])
        strangers = faces(300, 1)[:, 0]
        for far, found in alarms.items():
            matches = Search(scores, Templates.of(names, rows), Rule(far))(strangers)
            found += [match.grade == NAMED for match in matches]
    for far, found in alarms.items():
        assert far / 2 < np.mean(found) < 2 * far


def test_a_face_that_is_two_people_has_both_names(people):
    scores, features, _ = people
    names, faces = ["Ann", "Bob", "Cy"], features[[0, 0, 8]]
    (match,) = Search(scores, Templates.of(names, faces), Rule(0.1))(features[:1])
    assert {match.name, match.other} == {"Ann", "Bob"} and match.grade == NAMED
    assert match.probability == pytest.approx(match.other_probability)


# --- The file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory, calibration):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 6)) + np.repeat(generator.normal(size=(12, 6)), 5, 0)
    scorer = JointBayesian(4, random_state=0).fit(features, np.repeat(np.arange(12), 5))
    scorings = {
        scoring.COSINE: Scoring(Cosine(), {1: calibration, 3: calibration}),
        scoring.JOINT_BAYESIAN: Scoring(scorer, {1: calibration}),
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
    assert [[*one.calibrations] for one in found.values()] == [[1, 3], [1]]
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
    with pytest.raises(ValueError, match="of another network .*--output=FILE makes one"):
        read_scorings(path, "another key")
    line = r"No calibration .*: sparseface recognize calibrate --model='my runs' --data=DIR --output=.*none"
    with pytest.raises(FileNotFoundError, match=line):
        read_scorings(tmp_path / "none.npz", "a key", "my runs")
    target = tmp_path / "bad.npz"
    bad = [
        {"version": np.int64(9)},
        {"version": np.int64(1)},
        {"version": None},
        {"cosine.1.slope": None},
        {"cosine.1.slope": np.float64(-1)},
        {"cosine.3.far": np.array([0.1, 0.01])},
        {"cosine.1.threshold": np.array(["1"])},
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
