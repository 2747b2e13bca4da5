"""Pairs, LFW, identification and BLUFR: lists in the published layouts, numbers by hand."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from sklearn.metrics import roc_auc_score

from sparseface_tf.evaluation import blufr, identification, lfw, metrics, pairs
from sparseface_tf.matching.verification import verification_accuracy


class Cosine:
    """Learns nothing."""

    def score_pairs(self, a, b):
        return np.einsum("nd,nd->n", _unit(a), _unit(b))

    def score_matrix(self, a, b):
        return _unit(a) @ _unit(b).T


class Learner(Cosine):
    """Notes what it was fitted to."""

    fitted = []

    def fit(self, x, y):
        Learner.fitted.append((x, y))
        return self


def _unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


PEOPLE, EACH = 24, 4
NAMES = [f"P{p:02d}/P{p:02d}_{i:04d}.jpg" for p in range(PEOPLE) for i in range(1, EACH + 1)]
LABELS = np.repeat(np.arange(PEOPLE), EACH)


def noisy_features(noise, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(PEOPLE, 8))[LABELS] + noise * rng.normal(size=(len(LABELS), 8))
    return features.astype(np.float32)


def view_2(folds=10, each=6):
    """View 2's layout: in each fold first the same, then the different pairs."""
    rng = np.random.default_rng(1)
    lines = [f"{folds}\t{each}"]
    for _ in range(folds):
        for _ in range(each):
            i, j = rng.permutation(EACH)[:2] + 1
            lines.append(f"P{rng.integers(PEOPLE):02d}\t{i}\t{j}")
        for _ in range(each):
            a, b = rng.permutation(PEOPLE)[:2]
            i, j = rng.integers(1, EACH + 1, 2)
            lines.append(f"P{a:02d}\t{i}\tP{b:02d}\t{j}")
    return "\n".join(lines) + "\n"


def written(tmp_path, text, name="list.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def as_json(result):
    return json.loads(json.dumps(dataclasses.asdict(result), allow_nan=False))


def test_view_2(tmp_path):
    test = lfw.read_view_2(written(tmp_path, view_2()), NAMES)
    assert test.pairs.shape == (120, 2) and test.missing == () and test.left_out == 0
    images = test.images[test.pairs]
    np.testing.assert_array_equal(LABELS[images[:, 0]] == LABELS[images[:, 1]], test.same)
    features = noisy_features(1.0)[test.images]
    scores = pairs.score_pairs(features, test.pairs, Cosine())
    a, b = (features[test.pairs[:, k]].astype(np.float64) for k in (0, 1))
    cosines = [x @ y / np.sqrt(x @ x * (y @ y)) for x, y in zip(a, b)]
    np.testing.assert_allclose(scores, cosines, 1e-4)

    result = pairs.evaluate_pairs(scores, test)
    expected = verification_accuracy(scores, test.same, test.fold)
    assert result.accuracy.mean == expected.accuracy
    assert result.accuracy.standard_error == pytest.approx(expected.standard_error)
    assert result.accuracy.values == expected.fold_accuracies
    assert result.thresholds == expected.thresholds
    assert result.pairs == 120 and result.genuine == 60
    assert result.auc == pytest.approx(roc_auc_score(test.same, scores))
    each = [test.fold == k for k in range(10)]
    aucs = [roc_auc_score(test.same[part], scores[part]) for part in each]
    np.testing.assert_allclose(result.fold_auc.values, aucs)
    assert result.fold_auc.standard_error == pytest.approx(np.std(aucs, ddof=1) / np.sqrt(10))
    # With 54 impostors in the other folds, FAR 0.1 allows five of them.
    tar = []
    for part in each:
        threshold = np.sort(scores[~part & ~test.same])[-6]
        tar.append(np.mean(scores[part & test.same] > threshold))
    np.testing.assert_allclose(result.tar_at_far[0].tar.values, tar)
    assert result.tar_at_far[0].pooled.false_accepts == 6
    assert as_json(result)["accuracy"]["mean"] == result.accuracy.mean
    assert result.best_accuracy >= result.accuracy.mean


def test_view_1(tmp_path):
    training = written(tmp_path, "P01\t1\t2\nP02\t1\tP03\t1\n", "pairsDevTrain.txt")
    path = written(tmp_path, "P04\t1\t2\nP05\t3\t2\nP06\t1\tP07\t1\nP06\t2\tP07\t1\n", "Test.txt")
    first, second = lfw.read_view_1(training, path, NAMES)
    assert len(first.pairs) == 2 and len(second.pairs) == 4
    result = lfw.evaluate_view_1([0.8, 0.2], first.same, [0.9, 0.4, 0.1, 0.45], second.same)
    assert result.threshold == 0.5 and result.accuracy == 0.75 and result.training_accuracy == 1
    assert result.standard_error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert result.auc == 0.75
    as_json(result)


def test_list_of_files_without_folds(tmp_path):
    text = "\n".join(f"{a}\t{b}\t{int(a[:3] == b[:3])}" for a, b in zip(NAMES[:9], NAMES[1:10]))
    test = pairs.read_pair_test(written(tmp_path, text), NAMES)
    scores = pairs.score_pairs(noisy_features(0.1)[test.images], test.pairs, Cosine())
    result = pairs.evaluate_pairs(scores, test, fars=(0.5,))
    assert result.accuracy is None and result.fold_auc is None and result.tar_at_far[0].tar is None
    assert result.best_accuracy == result.auc == result.tar_at_far[0].pooled.rate == 1


def test_missing_images(tmp_path):
    path = written(tmp_path, view_2())
    here = [name for name in NAMES if not name.startswith("P03/")]
    with pytest.raises(ValueError, match="^[1-4] images of .* the first is P03/P03_000"):
        lfw.read_view_2(path, here)
    test = lfw.read_view_2(path, here, allow_missing=True)
    touched = sum("P03" in line for line in view_2().splitlines())
    assert touched > 0 and test.left_out == touched and len(test.pairs) == 120 - touched
    assert 1 <= len(test.missing) <= 4
    whole = lfw.read_view_2(path, NAMES)
    kept = [i for i, row in enumerate(whole.images[whole.pairs]) if 3 not in LABELS[row]]
    expected = [[NAMES[i] for i in row] for row in whole.images[whole.pairs[kept]]]
    assert [[here[i] for i in row] for row in test.images[test.pairs]] == expected
    with pytest.raises(ValueError, match="None of the images"):
        lfw.read_view_2(path, ["X/X_0001.jpg"], allow_missing=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("P01/P01_0001.jpg\tP02/P02_0001.jpg\t1\n", "no different pair"),
        ("P01\t1\t2\n", "fold 0 has no different pair"),
        ("P01\t1\tP02\t1\n", "fold 0 has no same pair"),
        ("P01\t1\t2\nP01\t1\tP02\t1\nP01\t1\tP01\t2\n", "line 3: P01.* given as different, their"),
        ("P01/P01_0001 P02/P02_0001 1\nP01/P01_0001 P03/P03_0001 0\n", "line 1: .* as the same"),
        ("P01\t1\t2\nP01 1\n", "line 2: expected"),
    ],
)
def test_bad_lists_of_pairs(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        pairs.read_pair_test(written(tmp_path, text), NAMES)
    assert "\n" not in str(error.value)


def test_scores_next_to_each_other(tmp_path):
    # The threshold between two neighbouring numbers of float32 is none itself.
    test = pairs.read_pair_test(written(tmp_path, "P01\t1\t2\nP02\t1\tP03\t1\n"), NAMES)
    for low in np.array([0.1, 0.7, 0.70000005], np.float32):
        scores = np.array([np.nextafter(low, np.float32(1)), low], np.float32)
        assert pairs.evaluate_pairs(scores, test).best_accuracy == 1
        view_1 = lfw.evaluate_view_1(scores, test.same, scores, test.same)
        assert view_1.accuracy == view_1.auc == 1


def test_labels_of_the_source_count(tmp_path):
    class Source(list):
        labels = np.array([0, 0, 1])

    listed = written(tmp_path, "a/x/1.png\ta/y/1.png\t1\na/x/1.png\tb/x/1.png\t0\n")
    source = Source(["a/x/1.png", "a/y/1.png", "b/x/1.png"])
    np.testing.assert_array_equal(pairs.read_pair_test(listed, source).same, [True, False])
    with pytest.raises(ValueError, match="line 1: a/x/1.png and a/y/1.png are given as the same"):
        pairs.read_pair_test(listed, list(source))


def test_a_fold_that_loses_its_pairs(tmp_path):
    text = "2\t1\nP01\t1\t2\nP02\t1\tP03\t1\nP04\t1\t2\nP05\t1\tP06\t1\n"
    here = [name for name in NAMES if not name.startswith("P06/")]
    with pytest.raises(ValueError, match="fold 1 has no different pair"):
        pairs.read_pair_test(written(tmp_path, text), here, allow_missing=True)
    with pytest.raises(ValueError, match="has 2 folds, LFW's View 2 has 10"):
        lfw.read_view_2(written(tmp_path, text), NAMES)


def test_bad_features(tmp_path):
    test = lfw.read_view_2(written(tmp_path, view_2()), NAMES)
    features = noisy_features(1.0)[test.images]
    with pytest.raises(ValueError, match="features are given of"):
        pairs.score_pairs(features[:-1], test.pairs, Cosine())
    features[[2, 5]] = np.nan
    with pytest.raises(ValueError, match="features of 2 images are not finite"):
        pairs.score_pairs(features, test.pairs, Cosine())


def trials():
    """Two trials each: closed with everybody in the gallery, open with 6 of 24 people."""
    lists = {"images": NAMES, "closed": [], "open": []}
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(PEOPLE)
        first = (order * EACH).tolist()
        lists["closed"].append({"gallery": first, "probe": [i + 1 for i in first]})
        known = first[:6]
        lists["open"].append(
            {
                "gallery": known,
                "genuine_probe": [i + 2 for i in known],
                "impostor_probe": [i + k for i in first[6:] for k in range(EACH)],
            }
        )
    return lists


def test_identification(tmp_path):
    lists = trials()
    path = written(tmp_path, json.dumps(lists), "identification.json")
    test = identification.read_identification(path, NAMES)
    features = noisy_features(0.8)[test.images]
    unit = _unit(features)
    closed = identification.evaluate_closed(features, test, Cosine(), ranks=5)
    opened = identification.evaluate_open(features, test, Cosine(), far=0.1)
    rank_1, detected = [], []
    for trial in lists["closed"]:
        best = (unit[trial["probe"]] @ unit[trial["gallery"]].T).argmax(1)
        rank_1.append(np.mean(best == np.arange(PEOPLE)))
    for trial in lists["open"]:
        genuine = unit[trial["genuine_probe"]] @ unit[trial["gallery"]].T
        alarms = (unit[trial["impostor_probe"]] @ unit[trial["gallery"]].T).max(1)
        # 72 impostors: seven false alarms are allowed.
        hit = (genuine.argmax(1) == np.arange(6)) & (genuine.max(1) > np.sort(alarms)[-8])
        detected.append(hit.mean())
    np.testing.assert_allclose(closed.rank_1.values, rank_1)
    np.testing.assert_allclose(opened.rank_1.rate.values, detected)
    assert 0 < closed.rank_1.mean < 1 and closed.cmc[0] == closed.rank_1.mean
    assert len(closed.cmc) == 5 and list(closed.cmc) == sorted(closed.cmc)
    assert as_json(closed)["rank_1"]["values"] == rank_1 and as_json(opened)["rank_1"]["far"] == 0.1


def test_identification_without_some_images(tmp_path):
    path = written(tmp_path, json.dumps(trials()), "identification.json")
    gone = NAMES[::EACH][3], NAMES[::EACH][10]
    here = [name for name in NAMES if name not in gone]
    with pytest.raises(ValueError, match="2 images of .* the first is P03/P03_0001.jpg"):
        identification.read_identification(path, here)
    test = identification.read_identification(path, here, allow_missing=True)
    assert len(test.missing) == 2
    assert [here[i] for i in test.images] == here
    for gallery, probes in test.closed:
        assert len(gallery) == len(probes) == PEOPLE - 2
        np.testing.assert_array_equal(test.labels[gallery], test.labels[probes])
    for gallery, genuine, impostors in test.open:
        np.testing.assert_array_equal(test.labels[gallery], test.labels[genuine])
        assert not np.isin(test.labels[impostors], test.labels[gallery]).any()
    listed = trials()["closed"] + trials()["open"]
    before = sum(len(part) for trial in listed for part in trial.values())
    after = sum(len(part) for trial in test.closed + test.open for part in trial)
    assert test.left_out == before - after > 4


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: x.pop("open"), "is not a list of identification trials: KeyError"),
        (lambda x: x["closed"].clear(), "has no closed trial"),
        (lambda x: x["closed"][1].update(probe=[]), "closed trial 2: probes is empty"),
        (lambda x: x["closed"][0]["probe"].append(96), "outside the list"),
        (lambda x: x["closed"][0].update(probe=["1"]), "whole numbers"),
        (lambda x: x["closed"][0]["gallery"].append(1), "several images of an identity"),
        (lambda x: x["open"][0]["gallery"].pop(), "probes whose identity is not in the gallery"),
        (
            lambda x: x["open"][0]["impostor_probe"].append(x["open"][0]["gallery"][0]),
            "open trial 1: there are impostors whose identity is in the gallery",
        ),
    ],
)
def test_bad_identification(tmp_path, change, message):
    lists = trials()
    change(lists)
    with pytest.raises(ValueError, match=message):
        identification.read_identification(written(tmp_path, json.dumps(lists)), NAMES)


def test_identification_that_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="is not a list of identification trials"):
        identification.read_identification(written(tmp_path, "images:"), NAMES)
    with pytest.raises(FileNotFoundError, match="No list of identification trials"):
        identification.read_identification(tmp_path / "nowhere.json", NAMES)


def configuration(**changes):
    """Two trials in the layout of blufr_lfw_config.mat: columns, cells, counted from 1."""
    cells = {name: [] for name in ("trainIndex", "testIndex", "galIndex", "probIndex")}
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(PEOPLE)
        train, known = order[:8], order[8:14]
        tested = np.flatnonzero(~np.isin(LABELS, train)) + 1
        gallery = known * EACH + 1
        cells["trainIndex"].append(np.flatnonzero(np.isin(LABELS, train)) + 1)
        cells["testIndex"].append(tested)
        cells["galIndex"].append(np.sort(gallery))
        cells["probIndex"].append(np.setdiff1d(tested, gallery))
    content = {
        "imageList": _cells([name.split("/")[1] for name in NAMES]),
        "labels": (LABELS + 1).astype(np.uint16)[:, None],
        **{k: _cells([x.astype(np.uint16)[:, None] for x in v]) for k, v in cells.items()},
        "devTrainIndex": np.array([[1], [2]], np.uint16),
        "devTestIndex": np.array([[5], [9]], np.uint16),
    }
    return {**content, **changes}


def _cells(values):
    array = np.empty((len(values), 1), object)
    array[:, 0] = values
    return array


def saved(tmp_path, **changes):
    path = tmp_path / "blufr_lfw_config.mat"
    scipy.io.savemat(path, {k: v for k, v in configuration(**changes).items() if v is not None})
    return path


def test_blufr(tmp_path):
    # In another order, so that positions in the list are not those in the source.
    shuffled = np.random.default_rng(5).permutation(len(NAMES))
    names = [NAMES[i] for i in shuffled]
    test = blufr.read_blufr(saved(tmp_path), names)
    assert [names[i] for i in test.images] == NAMES and test.missing == ()
    np.testing.assert_array_equal(test.development[1], [4, 8])
    features = noisy_features(0.8)
    Learner.fitted.clear()
    result = blufr.evaluate_blufr(features, test, Learner)
    assert len(Learner.fitted) == 2 and result.learned
    np.testing.assert_array_equal(Learner.fitted[1][0], features[test.trials[1].train])
    np.testing.assert_array_equal(Learner.fitted[1][1], test.labels[test.trials[1].train])
    assert not blufr.evaluate_blufr(features, test, Learner, learn=False).learned
    assert not blufr.evaluate_blufr(features, test, Cosine).learned

    cells = configuration()
    unit, verified, identified, number = _unit(features), [], [], 0
    for k in range(2):
        names = ("testIndex", "probIndex", "galIndex")
        rows = {name: cells[name][k, 0].ravel().astype(int) - 1 for name in names}
        genuine, impostor = [], []
        for i in rows["testIndex"]:
            for j in rows["testIndex"]:
                if j < i:
                    (genuine if LABELS[i] == LABELS[j] else impostor).append(unit[i] @ unit[j])
        number += len(genuine) + len(impostor)
        impostor = np.sort(impostor)
        threshold = impostor[-int(np.floor(1e-3 * len(impostor) + 0.5))]
        verified.append(np.mean(np.array(genuine) >= threshold - 1e-6))
        scores = unit[rows["probIndex"]] @ unit[rows["galIndex"]].T
        own = LABELS[rows["probIndex"]][:, None] == LABELS[rows["galIndex"]]
        mated = own.any(1)
        # 40 impostors: round(0.4) = 0 false alarms, all of them are below the threshold.
        highest = scores[~mated].max()
        right = own[np.arange(len(own)), scores.argmax(1)] & (scores.max(1) > highest)
        identified.append(right[mated].mean())
    assert result.scores == number
    np.testing.assert_allclose(result.verification.rate.values, verified)
    np.testing.assert_allclose(result.identification.rate.values, identified)
    rate = result.verification.rate
    assert result.verification_below == pytest.approx(rate.mean - np.std(verified, ddof=1))
    assert 0 < rate.mean < 1
    as_json(result)


@examples(40)
@given(seed=st.integers(0, 1000), images=st.integers(2, 30), block=st.integers(1, 12))
def test_all_pairs_in_blocks(seed, images, block):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(images, 3)), rng.integers(0, 4, images)
    i, j = np.tril_indices(images, -1)
    same = labels[i] == labels[j]
    if same.all() or not same.any():
        with pytest.raises(ValueError, match="no pair of"):
            blufr.all_pairs(Cosine(), features, labels, block)
        return
    scores = (_unit(features) @ _unit(features).T)[i, j]
    found = blufr.all_pairs(Cosine(), features, labels, block)
    np.testing.assert_allclose(found.genuine, np.sort(scores[same]), atol=1e-6)
    np.testing.assert_allclose(found.impostor, np.sort(scores[~same]), atol=1e-6)
    assert found.impostor.dtype == np.float32


def test_the_toolkits_threshold():
    impostor = np.arange(10.0)
    assert blufr.toolkit_threshold(impostor, 0.1) == 9
    assert blufr.toolkit_threshold(impostor, 0.25) == 7  # halves up: three false accepts
    assert blufr.toolkit_threshold(impostor, 0.24) == 8
    assert 9 < blufr.toolkit_threshold(impostor, 0.04) < 9.001
    scores = metrics.Scores(np.array([5.0, 8.5, 9.5]), impostor)
    assert metrics.rate_at(*scores, 0.1, 9.0).rate == pytest.approx(1 / 3)


def test_blufr_without_some_images(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(ValueError, match="1 images of .* the first is P02/P02_0003.jpg"):
        blufr.read_blufr(path, [name for name in NAMES if name != "P02/P02_0003.jpg"])
    test = blufr.read_blufr(path, [n for n in NAMES if n != "P02/P02_0003.jpg"], allow_missing=True)
    assert test.missing == ("P02_0003.jpg",) and len(test.images) == len(NAMES) - 1
    for trial in test.trials:
        assert len(trial.train) + len(trial.test) == len(NAMES) - 1
        assert len(trial.gallery) + len(trial.probes) == len(trial.test)


def test_bad_blufr(tmp_path):
    labels = configuration()["labels"].copy()
    labels[5] = 9
    with pytest.raises(ValueError, match="labels disagree with names; P01 has label 9"):
        blufr.read_blufr(saved(tmp_path, labels=labels), NAMES)
    with pytest.raises(ValueError, match="95 labels for 96 images"):
        blufr.read_blufr(saved(tmp_path, labels=labels[1:]), NAMES)
    with pytest.raises(ValueError, match="not BLUFR's configuration file: KeyError.*galIndex"):
        blufr.read_blufr(saved(tmp_path, galIndex=None), NAMES)
    outside = _cells([np.array([[97]]), np.array([[1]])])
    with pytest.raises(ValueError, match="outside the list"):
        blufr.read_blufr(saved(tmp_path, testIndex=outside), NAMES)
    empty = _cells([np.zeros((0, 1), int), np.array([[1]])])
    with pytest.raises(ValueError, match="the gallery images of trial 1 are none"):
        blufr.read_blufr(saved(tmp_path, galIndex=empty), NAMES)
    with pytest.raises(ValueError, match="is not BLUFR's configuration"):
        blufr.read_blufr(written(tmp_path, "labels", "text.mat"), NAMES)
    with pytest.raises(FileNotFoundError, match="No configuration"):
        blufr.read_blufr(tmp_path / "nowhere.mat", NAMES)
