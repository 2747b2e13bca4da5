"""Channels in train.py: pruned, trained at several widths, then sparse layers in what is left."""

import functools
import json

import keras
import numpy as np
import pytest
from programs import program
from run_folders import claim

from pipelines.sources.subset import split_images
from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.channels import at_width
from sparseface_tf.networks.counts import count, counts_at_width, total
from sparseface_tf.sparsify import load_masks
from sparseface_tf.training import table as report
from sparseface_tf.training.experiment import Experiment

train = functools.partial(program, "train.py")
TINY = [
    "--study", "--width=48", "--width_multiplier=0.125", "--normalization", "--branches=pool4",
    "--identities=12", "--images_per_identity=6", "--held_out=5", "--held_out_pairs=40",
    "--held_out_images=0.2", "--steps=4", "--retrain_steps=4", "--pairs=4", "--checkpoint_steps=2",
    "--correlation_images=16", "--deterministic", "--precision=float32", "--prioritise",
    "--lambda_s=0.001", "--lambda_m=0.0001", "--centre_weight=0.01", "--levels=1,0.5",
    "--prune_threshold=0.4", "--patience=3", "--margin=1", "--sparsify=channels", "--sparsify=1/8-f",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a whole run, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    code, output = train(*TINY, f"--output={folder}")
    assert code == 0, output
    return folder, output


def test_the_channels_are_those_of_the_trained_network(finished):
    folder, _ = finished
    models = [keras.models.load_model(folder / f"stage{n}" / "model.keras") for n in range(3)]
    kept = json.loads((folder / "stage1" / "channels.json").read_text())
    assert set(kept) == {"2a", "2b", "3a", "3b", "4a", "4b", "5a", "5b"}
    for name, numbers in kept.items():
        gamma = np.abs(models[0].get_layer(f"{name}_normalization").gamma)
        assert numbers == np.flatnonzero(gamma > np.float32(0.4)).tolist()
        assert 1 <= len(numbers) < len(gamma)
        assert [model.get_layer(name).filters for model in models[1:]] == [len(numbers)] * 2
        for model in models[1:]:
            # Frozen, all of it.
            for variable in ("gamma", "beta", "moving_mean", "moving_variance"):
                before, after = (
                    np.asarray(getattr(m.get_layer(f"{name}_normalization"), variable))
                    for m in (models[0], model)
                )
                assert np.array_equal(before[numbers], after)
    assert not np.array_equal(models[1].get_layer("3a").kernel, models[2].get_layer("3a").kernel)
    # Then 1/8 of the weights of the slimmed f.
    mask = load_masks(folder / "stage2" / "masks.npz")["f"]
    assert mask.shape == models[1].get_layer("f").kernel.shape
    assert mask.sum() == round(mask.size / 8)
    assert np.array_equal(models[2].get_layer("f").mask, mask)


def test_metrics_and_table_have_every_width(finished):
    folder, printed = finished
    results = [json.loads((folder / f"stage{n}" / "metrics.json").read_text()) for n in range(3)]
    assert [list(result.get("levels", {})) for result in results] == [[], ["0.5"], ["0.5"]]
    for number, result in enumerate(results):
        model = keras.models.load_model(folder / f"stage{number}" / "model.keras")
        assert result["multiply_adds"] == total(count(model)).multiply_adds
        assert 0 < result["best_step"] <= result["steps"] == 4
        ratio = result["parameters_kept"] / results[0]["parameters"]
        assert result["compression_ratio"] == pytest.approx(ratio)
        assert result["classification"]["images"] == 7  # one of six of each of seven people
        shares = {"": result["classification"]}
        for width, level in result.get("levels", {}).items():
            shares[f"_at_{100 * float(width):g}"] = level["classification"]
        for ending, share in shares.items():
            with np.load(folder / f"stage{number}" / f"scores{ending}.npz") as arrays:
                for name in ("accuracy", "nearest_centre"):
                    right = arrays[f"classification/{name}"]
                    assert right.dtype == bool and right.shape == (7,)
                    assert share[name] == pytest.approx(right.sum() / 7)
                # One image of each, numbered as in training.
                assert sorted(arrays["classification/identities"]) == list(range(7))
        for width, level in result.get("levels", {}).items():
            half = total(counts_at_width(model, float(width)))
            assert level["multiply_adds"] == half.multiply_adds < result["multiply_adds"]
            assert level["parameters_kept"] < result["parameters_kept"]
            assert 0 <= level["verification"]["held_out"]["accuracy"] <= 1
            assert (folder / f"stage{number}" / "scores_at_50.npz").exists()
            at_width(model, float(width))
    table = (folder / "table.md").read_text()
    assert table in printed and table.count("\n") == 2 + 5
    assert "channels 1/8-f, at 50 %" in table
    assert table == report.stage_table(results)


def test_both_widths_are_trained(finished):
    folder, _ = finished
    first, last = (
        json.loads((folder / f"stage{n}" / "history.jsonl").read_text().splitlines()[-1])
        for n in (0, 2)
    )
    assert "f_centre_loss" in first and "f_identity_at_50_loss" not in first
    assert {"f_identity_loss", "f_identity_at_50_loss", "f_centre_at_50_loss"} <= set(last)


def experiment(**kwargs):
    return Experiment.of(**{"steps": 10, "retrain_steps": 5, **kwargs})


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(sparsify=["channels"]), "--sparsify=channels goes by .* add --normalization"),
        (dict(prioritise=True), "--prioritise goes by the scales"),
        (dict(lambda_s=0.1, network="squeezenet"), "--lambda_s goes by"),
        (dict(network="vgg16", normalization=True), "'vgg16' always has"),
        (dict(network="squeezenet", normalization=True), "'squeezenet' never has"),
        (dict(network="vgg16", sparsify=["channels", "channels:prefix"]), "pruned twice"),
        (dict(network="vgg16", sparsify=["1/2-channels", "1/2-channels"]), "twice"),
        (dict(network="vgg16", sparsify=["channels:obd"]), "no criterion 'obd'; choose from gamma"),
        (dict(network="vgg16", sparsify=["channels:norm"]), "'norm' knows no threshold"),
        (dict(network="vgg16", sparsify=["2-channels"]), "in \\(0, 1\\]"),
        (dict(network="vgg16", levels=["1", "0.5"]), "add --sparsify=channels"),
        (dict(network="vgg16", sparsify=["channels"], levels=["1", "0.5"], freeze=False), "frozen"),
        (dict(network="vgg16", sparsify=["channels"], levels=["0.5"]), "with 1 among them"),
        (dict(network="vgg16", sparsify=["channels"], levels=["1", "half"]), "--levels=1,half"),
        (dict(network="vgg16", sparsify=["channels"], levels=["1", "0"]), "with 1 among them"),
        (dict(network="vgg16", sparsify=["channels"], from_scratch=True), "masks only"),
        (dict(network="vgg16", sparsify=["channels"], block=4), "--channel_multiple"),
        (dict(network="vgg16", lambda_m=-1.0), "--lambda_m must be at least 0"),
        (dict(patience=-1), "--patience must be at least 0"),
        (dict(patience=1, sparsify=["1/2-f:brp"]), "--patience goes back"),
        (dict(centre_rate=1.5), "--centre_rate must be in"),
        (dict(held_out_images=1.0), "--held_out_images must be in"),
        (dict(network="mobilenet", sparsify=["1/2-f"]), "no layer 'f'"),
    ],
)
def test_nonsense_is_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as error:
        experiment(**settings).check()
    assert "\n" not in str(error.value)


def test_stages_of_channels_are_read():
    read = experiment(network="vgg16", sparsify=["channels", "1/2-conv5_3"])
    read.check()
    pruned, sparse = read.stages()[1:]
    assert (pruned.layer, pruned.density, pruned.masked) == ("channels", None, False)
    assert (pruned.criterion.name, sparse.criterion.name) == ("gamma", "correlation")
    read = experiment(network="vgg16", sparsify=["1/4-channels:norm"])
    dense, pruned = read.stages()
    assert (float(pruned.density), pruned.criterion.name) == (0.25, "norm")
    read = experiment(network="vgg16", sparsify=["channels"], levels=["0.5", "1", "0.75"])
    assert [stage.widths for stage in read.stages()] == [(1,), (1, 0.75, 0.5)]


def test_a_run_from_before_a_setting_is_one_with_its_default(tmp_path):
    run = experiment(output=str(tmp_path / "run"))
    claim(run)
    path = tmp_path / "run" / "experiment.json"
    old = json.loads(path.read_text())
    del old["lambda_s"]
    path.write_text(json.dumps(old))
    claim(run)
    with pytest.raises(ValueError, match=r"--lambda_s was 0\.0, is 0\.5"):
        claim(experiment(output=str(tmp_path / "run"), lambda_s=0.5))


def test_held_out_images_are_of_training_people():
    faces = SyntheticFaces(identities=5, images_per_identity=6, seed=0)
    training, held, labels = split_images(faces, 0.34, seed=0)
    assert (len(training), len(held)) == (20, 10)
    assert list(training.identities) == list(faces.identities)
    names = [training.identities[label] for label in labels]
    assert names == [held.name(i).split("/")[0] for i in range(len(held))]
    assert not {training.name(i) for i in range(20)} & {held.name(i) for i in range(10)}
    again = split_images(faces, 0.34, seed=0)[1]
    assert np.array_equal(again.indices, held.indices)
    assert not np.array_equal(split_images(faces, 0.34, seed=1)[1].indices, held.indices)
    # Two stay for pairs.
    assert len(split_images(faces, 0.99, seed=0)[0]) == 10
    with pytest.raises(ValueError, match="larger share"):
        split_images(faces, 0.1, seed=0)
