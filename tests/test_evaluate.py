"""evaluate.py as a user runs it: every protocol in its published layout, on rendered faces."""

import csv
import html.parser
import json
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from published import ijba_set, lfw_set, pictures, video_frames

from pipelines.faces.regions import read_regions
from pipelines.sources.folder import FolderFaces
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.embedding.systems import open_systems
from sparseface_tf.evaluation import Evaluation, Evaluator, lfw, pairs
from sparseface_tf.evaluation.report import write_scores
from sparseface_tf.matching import Cosine, JointBayesian

ROOT = pathlib.Path(__file__).parent.parent


def evaluate(*arguments):
    process = subprocess.run(
        [sys.executable, "evaluate.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return process.returncode, process.stdout, process.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Networks, LFW, training faces, videos and templates."""
    root = tmp_path_factory.mktemp("world")
    for seed, region in enumerate(("face", "left_eye_wide_grey")):
        keras.utils.set_random_seed(seed)
        row = read_regions()[region].scaled(24)
        inputs = keras.Input((row.height, row.width, row.channels))
        x = keras.layers.AveragePooling2D(4)(inputs)
        x = keras.layers.Dense(6, activation="relu")(keras.layers.Flatten()(x))
        folder = root / "runs" / region / "stage0"
        folder.mkdir(parents=True)
        keras.Model(inputs, x).save(folder / "model.keras")
        (folder / "metrics.json").write_text("{}")  # the stage is finished
        (root / "runs" / region / "experiment.json").write_text(json.dumps({"regions": vars(row)}))
        (root / "runs" / region / "held_out.txt").write_text("Person_01\nPerson_02\nPerson_05\n")
    rendered = pictures(16, 4)
    lfw_set(root / "lfw", rendered[:8])
    lfw_set(root / "train", rendered[8:])
    (root / "few").mkdir()
    for name in ("Person_03", "Person_04"):
        (root / "few" / name).symlink_to(root / "train" / name)
    video_frames(root / "ytf", rendered[:6])
    (root / "ytf_lists").mkdir()
    lines = [f"{1 + i % 2}, {i}, Person_{i}/0, Person_{i}/2, 1" for i in range(6)]
    lines += [f"{1 + i % 2}, {i}, Person_{i}/0, Person_{(i + 1) % 6}/2, 0" for i in range(6)]
    (root / "ytf_lists" / "splits.txt").write_text("\n".join(lines))
    ijba_set(root / "ijba", rendered[:6])
    return root


class Parser(html.parser.HTMLParser):
    """Collects what a page would load, and its text."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def run(tmp_path, **settings):
    evaluator = Evaluator(
        Evaluation(output=str(tmp_path / "report"), cache=str(tmp_path / "cache"), **settings)
    )
    evaluator.prepare()
    return evaluator.run()


@pytest.fixture(scope="module")
def reported(world, tmp_path_factory):
    """evaluate.py as a user starts it, on one network and a pair of them, and its report."""
    folder = tmp_path_factory.mktemp("reported")
    code, output, errors = evaluate(
        f"--model=one={world}/runs/face",
        f"--models=two={world}/runs/*/stage0",
        "--protocol=lfw,lfw_view1,lfw_identification,blufr",
        f"--data={world}/lfw",
        f"--train_data={world}/train",
        f"--cache={folder}/cache",
        f"--output={folder}/report",
    )
    assert code == 0, errors
    assert "two" in output and "report.html" in output
    return folder, json.loads((folder / "report" / "report.json").read_text())["protocols"]


def test_numbers_are_those_of_the_pieces_put_together_by_hand(world, reported):
    folder, protocols = reported
    assert [*protocols] == ["lfw", "lfw_view1", "lfw_identification", "blufr"]
    source = FolderFaces(world / "lfw")
    test = lfw.read_view_2(world / "lfw" / "pairs.txt", source)
    (system,) = open_systems([], [f"{world}/runs/*/stage0"])
    cache = FeatureCache(folder / "cache")
    features = system.features(cache, Faces(source, "lfw"), test.images)
    training = FolderFaces(world / "train")
    train = system.features(cache, Faces(training, "train"), np.arange(len(training)))
    runs = protocols["lfw"]["runs"]
    assert [(run["system"], run["scorer"]) for run in runs] == [
        *(("one", "cosine"), ("one", "Joint Bayesian")),
        *(("two", "cosine"), ("two", "Joint Bayesian")),
    ]
    scorers = Cosine(), JointBayesian(None).fit(train, training.labels)
    for column, (run, scorer) in enumerate(zip(runs[2:], scorers), start=6):
        scores = pairs.score_pairs(features, test.pairs, scorer)
        result = pairs.evaluate_pairs(scores, test)
        assert run["numbers"]["accuracy"]["value"] == pytest.approx(result.accuracy.mean)
        assert run["result"]["auc"] == pytest.approx(result.auc)
        low, high = run["numbers"]["AUC"]["interval"]
        assert low < run["result"]["auc"] < high
        path = folder / "report" / "lfw_scores.csv"
        written = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=column)
        np.testing.assert_allclose(written, scores, rtol=1e-6, atol=1e-8)


def test_any_name_comes_back_from_the_table_of_scores(tmp_path):
    """Quotes, commas, line ends: RFC 4180, which spreadsheets and pandas read."""
    names = [('O"Neil/a.jpg', "b,c/1.jpg"), ("two\nlines/1.jpg", "José/'2'.jpg"), ('"', '""')]
    test = types.SimpleNamespace(same=np.array([True, False, True]), fold=np.array([0, 1, 2]))
    protocol = types.SimpleNamespace(test=test, pair_names=lambda: names)
    run = types.SimpleNamespace(name='runs/"a", cosine')
    found = [types.SimpleNamespace(run=run, scores=np.array([0.5, -1.25, 1e-12]))]
    write_scores(tmp_path / "scores.csv", protocol, found)
    with open(tmp_path / "scores.csv", encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["first", "second", "same", "fold", run.name]
    assert [tuple(row[:2]) for row in rows] == names
    assert [row[2:] for row in rows] == [
        ["1", "0", "0.5"], ["0", "1", "-1.25"], ["1", "2", "1e-12"]
    ]


def test_systems_are_compared_and_ensembles_taken_apart(reported):
    _, protocols = reported
    comparisons = protocols["lfw"]["comparisons"]
    assert len(comparisons) == 4  # two systems by two scorers, without the diagonals
    for one in comparisons:
        assert one["only_first"] + one["only_second"] + one["both"] + one["neither"] == 80
    table = protocols["lfw"]["tables"]["Networks of two one by one"]
    assert [row[0] for row in table] == ["network", "face", "left_eye_wide_grey", "mean"]
    singles = [float(row[1].split()[0]) for row in table[1:3]]
    assert float(table[3][1]) == pytest.approx(np.mean(singles), abs=1e-4)
    alone = protocols["lfw"]["runs"][0]["numbers"]["accuracy"]["value"]
    assert table[1][1].split()[0] == f"{alone:.4f}"
    assert protocols["blufr"]["runs"][1]["result"]["learned"] is False


def test_the_page_and_the_plots(reported):
    folder, _ = reported
    page = (folder / "report" / "report.html").read_text()
    parsed = Parser(page)
    assert all(url.startswith(("#", "data:")) for url in parsed.loaded)
    assert "LFW, View 2" in parsed.text and page.count("data:image/jpeg") > 4
    for name in ("lfw_roc", "lfw_det", "lfw_histograms", "lfw_identification_cmc", "blufr_search"):
        assert (folder / "report" / f"{name}.png").stat().st_size > 1000


def test_the_same_evaluation_again_takes_the_features_it_has(world, tmp_path, capsys):
    settings = dict(
        model=[f"{world}/runs/face"], data=str(world / "lfw"), train_data=str(world / "train")
    )
    run(tmp_path, **settings)
    assert "embedding" in capsys.readouterr().err
    report = (tmp_path / "report" / "report.json").read_text()
    run(tmp_path, **settings)
    assert "embedding" not in capsys.readouterr().err
    assert (tmp_path / "report" / "report.json").read_text() == report
    with pytest.raises(ValueError, match=r"with other settings \(--flip was 'average'\)"):
        run(tmp_path, **settings, flip="none")


def test_videos_and_templates(world, tmp_path):
    model = [f"{world}/runs/face/stage0/model.keras"]
    (videos,) = run(
        tmp_path / "ytf",
        model=model,
        protocol=["ytf"],
        data=str(world / "ytf"),
        lists=str(world / "ytf_lists"),
    )
    assert [r.scorer for r in videos.runs] == ["cosine"]  # nothing to learn from
    assert 0 <= videos.runs[0].numbers["accuracy"].value <= 1
    assert len(videos.runs[0].roc.far) > 2
    verification, search = run(
        tmp_path / "ijba",
        model=model,
        protocol=["ijba_verification", "ijba_search"],
        data=str(world / "ijba" / "images"),
        lists=str(world / "ijba"),
        train_data=str(world / "train"),
        identities="held_out",
        components=4,
        flip="join",
    )
    assert [r.scorer for r in verification.runs] == ["cosine", "Joint Bayesian"]
    numbers = [*verification.runs[0].numbers]
    assert numbers[:3] == [f"TAR at FAR {far}" for far in (0.1, 0.01, 0.001)]
    facts = json.loads((tmp_path / "ijba/report/report.json").read_text())["facts"]
    assert "12 images of 3 identities (held_out)" in facts["Joint Bayesian"]
    assert search.runs[0].cmc[-1] == 1 and "rank 1" in search.runs[0].numbers


def test_blufr_learns_from_its_own_training_images(world, tmp_path):
    (section,) = run(
        tmp_path,
        model=[f"{world}/runs/face"],
        protocol=["blufr"],
        data=str(world / "lfw"),
    )
    assert [r.scorer for r in section.runs] == ["cosine", "Joint Bayesian"]
    runs = json.loads((tmp_path / "report/report.json").read_text())["protocols"]["blufr"]["runs"]
    assert [r["result"]["learned"] for r in runs] == [False, True]


def test_missing_images_are_listed(world, tmp_path):
    (tmp_path / "some").mkdir()
    for person in sorted((world / "lfw").glob("Person_*"))[:7]:
        (tmp_path / "some" / person.name).symlink_to(person)
    settings = dict(
        model=[f"{world}/runs/face"], data=str(tmp_path / "some"), lists=str(world / "lfw")
    )
    with pytest.raises(ValueError, match="images of .*pairs.txt are not among .*--allow_missing; .*"):
        run(tmp_path / "a", **settings)
    listed = (tmp_path / "a/report/lfw_missing.txt").read_text().split()
    assert listed and all(name.startswith("Person_07/Person_07_000") for name in listed)
    # In the same folder: an evaluation that came to nothing is not in the way of this one, a
    # finished one is.
    (section,) = run(tmp_path / "a", allow_missing=True, **settings)
    assert (tmp_path / "a/report/lfw_missing.txt").read_text().split() == listed
    with pytest.raises(ValueError, match="with other settings .--allow_missing was True.: choose"):
        run(tmp_path / "a", **settings)
    assert any(f"{len(listed)} images or videos" in fact for fact in section.facts)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(model=[]), "No network: give --model=PATH"),
        (dict(data=""), "No test faces: give --data"),
        (dict(data="/nowhere"), "No folder /nowhere"),
        (dict(protocol=["lwf"]), "--protocol=lwf: choose from lfw, lfw_view1"),
        (dict(scorers=["joint_bayesian"]), "joint_bayesian learns from faces: give --train_data"),
        (dict(flip="both"), "--flip=both: choose from average, join, none"),
        (dict(exclude="x.txt"), "--exclude is of --train_data"),
        (dict(lists="/nowhere"), "No pairs.txt or lfw/pairs.txt in /nowhere: .*--lists"),
        (dict(protocol=["pairs"]), "needs a list: give --pairs=FILE"),
        (dict(region="face_grey"), "takes images of 28 x 24 x 3, the region face_grey has 28 x 24 x 1"),
        (dict(components=-1), "--components must be 0 or more"),
        (
            dict(train_data="{world}/few", identities="held_out"),
            "--identities=held_out: the run held out 3 identities, .* has 0 of them",
        ),
    ],
)
def test_bad_settings(world, tmp_path, changes, message):
    changes = {
        name: value.format(world=world) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    settings = dict(model=[f"{world}/runs/face"], data=str(world / "lfw"))
    with pytest.raises((ValueError, OSError), match=message):
        run(tmp_path, **{**settings, **changes})


def test_a_pair_that_its_folders_contradict(world, tmp_path):
    path = tmp_path / "list.txt"
    names = [f"Person_{i:02d}/Person_{i:02d}_0001.jpg" for i in range(3)]
    path.write_text(f"{names[0]}\t{names[1]}\t1\n{names[1]}\t{names[2]}\t0\n")
    settings = dict(model=[f"{world}/runs/face"], data=str(world / "lfw"), protocol=["pairs"])
    with pytest.raises(ValueError, match="line 1: .* their folders say otherwise") as error:
        run(tmp_path, pairs=str(path), **settings)
    assert "\n" not in str(error.value)
