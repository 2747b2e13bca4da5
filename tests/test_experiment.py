import dataclasses
import fractions
import math

import pytest
from run_folders import claim

from pipelines.files import read_json
from sparseface_tf.training.experiment import Experiment


def experiment(**kwargs):
    return Experiment.of(**{"steps": 10, "retrain_steps": 5, **kwargs})


def test_stages_are_read_in_order():
    dense, *stages = experiment(sparsify=["1/256-f", "0.5-5b", "1-4b"]).stages()
    assert (dense.number, dense.layer, dense.title, dense.retrains) == (0, None, "dense", False)
    assert [(stage.layer, stage.density) for stage in stages] == [
        ("f", fractions.Fraction(1, 256)),
        ("5b", fractions.Fraction(1, 2)),
        ("4b", fractions.Fraction(1)),
    ]
    assert [stage.title for stage in stages[:2]] == ["1/256-f", "1/256-f 0.5-5b"]
    assert all(stage.retrains and stage.masked for stage in stages)
    anew = experiment(sparsify=["1/256-f", "0.5-5b"], from_scratch=True).stages()
    assert [stage.from_scratch for stage in anew] == [False, False, True]


def test_settings_by_their_flags_and_in_groups():
    made = experiment(width=48, width_multiplier=0.5, data="faces", network="vgg16", seed=3)
    assert (made.network.input_width, made.network.width) == (48, 0.5)
    assert (made.data.faces, made.network.name, made.run.seed) == ("faces", "vgg16", 3)
    assert Experiment.of(**made.flags()) == made and len(made.flags()) == 81
    assert made.changed(seed=4).run.seed == 4 and made.run.seed == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.run.seed = 5
    with pytest.raises(TypeError, match="no setting 'sed'"):
        experiment(sed=1)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(sparsify=["1/2-6a"]), "no layer '6a'; choose from 1a, 1b"),
        (dict(sparsify=["1/2-1a"], study=True), "no layer '1a'; choose from 2a"),
        (dict(sparsify=["3/2-f"]), r"in \(0, 1\]; got 3/2"),
        (dict(sparsify=["0-f"]), r"in \(0, 1\]; got 0"),
        (dict(sparsify=["1/0-f"]), "'1/0' is not a number"),
        (dict(sparsify=["f"]), "expected S-LAYER"),
        (dict(sparsify=["1/2-f", "1/4-f"]), "layer f is sparsified twice"),
        (dict(steps=0), "--steps or as --epochs"),
        (dict(steps=5, epochs=1.0), "--steps or as --epochs"),
        (dict(sparsify=["1/2-f"], retrain_steps=0), "--retrain_steps"),
        (dict(pairs=3), "--pairs must be even"),
        (dict(pairs=0), "--pairs must be at least 1"),
        (dict(lam=1.5), "--lam"),
        (dict(block=2), "--block"),
        (dict(optimizer="adam"), "--optimizer must be one of adamw, sgd"),
        (dict(margin="big"), "--margin must be 'data' or a number"),
        (dict(held_out=0.0), "--held_out must be above 0"),
        (dict(held_out=float("nan")), "--held_out must be above 0, got nan"),
        (dict(weight_decay=float("nan")), "--weight_decay must be at least 0, got nan"),
        (dict(weight_decay=-1e-4), "--weight_decay must be at least 0"),
        (dict(margin="nan"), "--margin must be 'data' or a number"),
        (dict(learning_rate=0.0), "--learning_rate"),
        (dict(dropout_f=1.0), "--dropout_f"),
        (dict(test_pairs="pairs.txt"), "belong together"),
        (dict(rotation=-3.0), r"--rotation must be in \[0, 180\]"),
        (dict(max_images=1), "--max_images must be 0 or at least 2"),
        (dict(data_service="grpc://host:1"), "add --noordered"),
        (dict(sampling="people"), "--sampling must be one of images, identities"),
        (dict(test_data="synthetic"), "belong together"),
        (dict(data="nowhere", steps=0), "No folder nowhere: give .synthetic"),
        (dict(test_data="nowhere", test_pairs="pairs.txt"), "No folder nowhere"),
        (dict(exclude="exclude.txt"), "--exclude names images of --data"),
        (dict(network="vgg"), "--network must be one of baseline, deepid2plus"),
        (dict(network="deepid2plus", study=True), "--study leaves out block 1 of the baseline"),
        (
            dict(network="deepid2plus", sparsify=["1/2-5b"]),
            "no layer '5b'; choose from conv1, conv2, conv3, conv4, f",
        ),
        (dict(width=-1), "--width must be at least 0"),
        (dict(identification="triplet"), "--identification must be one of softmax, arcface, cosf"),
        (dict(identification="arcface", softmax_margin=2.0), "--identification=arcface: ArcFace"),
        (dict(identification="cosface", softmax_scale=-1.0), "--identification=cosface: The sca"),
        (dict(softmax_scale=16.0), "--identification=softmax: .* softmax has none"),
    ],
)
def test_nonsense_is_refused_in_one_line(settings, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        experiment(**settings).check()
    assert "\n" not in str(error.value)


def test_each_network_has_its_input_and_its_layers():
    face, square = experiment().region(), experiment(region="nose").region()
    assert (face.height, face.width, square.height) == (112, 96, 96)
    other = experiment(network="deepid2plus", sparsify=["1/256-f", "1/4-conv4"])
    other.check()
    face = other.region()
    assert (face.height, face.width) == (55, 47)
    assert experiment(network="deepid2plus", region="nose").region().height == 47
    assert experiment(network="deepid2plus", width=64).region().width == 64
    assert [stage.layer for stage in other.stages()] == [None, "f", "conv4"]
    assert experiment(study=True).network.layers[0] == "2a"


def test_the_identification_signal_with_and_without_its_own_margin():
    assert experiment(identification="arcface").supervision.identification_loss().margin == 0.5
    settings = dict(identification="cosface", softmax_margin=0.0, softmax_scale=16.0)
    loss = experiment(**settings).supervision.identification_loss()
    assert (loss.margin, loss.scale) == (0.0, 16.0)


def test_lengths_in_batches_or_in_epochs():
    schedule = experiment().schedule
    assert schedule.length(10**6, retrains=False) == 10
    assert schedule.length(10**6, retrains=True) == 5
    in_epochs = Experiment.of(epochs=2.0, retrain_epochs=0.5, pairs=64)
    assert in_epochs.schedule.length(12_800, retrains=False) == 200
    assert in_epochs.schedule.length(12_800, retrains=True) == 50


def test_a_run_for_each_region(tmp_path):
    one = experiment(region="left_eye")
    assert one.runs() == [one]
    assert one.region().height == 96
    assert experiment(region="face_grey", width=48).region().height == 56
    several = experiment(region="nose,face", output="runs/x").runs()
    assert [(run.data.region, run.run.output) for run in several] == [
        ("nose", "runs/x/nose"),
        ("face", "runs/x/face"),
    ]
    assert len(experiment(region="all").runs()) == 25
    for names, message in [("ear", "no such region; there are face, "), ("nose,nose", "twice")]:
        with pytest.raises(ValueError, match=message):
            experiment(region=names).runs()

    # A table that was changed meanwhile is another setting.
    table = tmp_path / "mine.csv"
    table.write_text("name,centre,dx,dy,scale,shape,channels\nbrow,face,0,-20,0.5,square,grey\n")
    mine = experiment(region="brow", regions=str(table), output=str(tmp_path / "run"))
    claim(mine)
    claim(mine)
    table.write_text(table.read_text().replace("0.5", "0.6"))
    with pytest.raises(ValueError, match="--regions was .*0.5.* is .*0.6"):
        claim(mine)


def test_an_output_folder_belongs_to_one_run(tmp_path):
    output = str(tmp_path / "new" / "run")
    claim(experiment(output=output))
    settings = read_json(f"{output}/experiment.json")
    assert settings["steps"] == 10 and "output" not in settings
    claim(experiment(output=output))  # the same again: resumes
    with pytest.raises(ValueError, match="--seed was 0, is 1; --sparsify|--sparsify.*--seed was 0"):
        claim(experiment(output=output, seed=1, sparsify=["1/2-f"]))
    assert read_json(f"{output}/experiment.json") == settings


def test_the_verification_weight_of_older_runs_counted_twice(tmp_path):
    mine = experiment(output=str(tmp_path / "run"), verification_weight=0.02)
    older = {**mine.description(), "verification_weight": 0.01}
    assert mine.differences(older) == ["--verification_weight was 0.01, is 0.02"]
    del older["format"]
    assert not mine.differences(older)
    del older["verification_weight"]  # its default was 0.05
    assert mine.differences(older) == ["--verification_weight was 0.1, is 0.02"]


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        claim(experiment(output=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def numbers(settings, kind):
    """(group, field) of the settings of a kind, e.g. float."""
    for group in dataclasses.fields(settings):
        part = getattr(settings, group.name)
        for field in dataclasses.fields(part) if dataclasses.is_dataclass(part) else ():
            if type(getattr(part, field.name)) is kind:
                yield group.name, field.name


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1e9], ids=str)
def test_every_number_of_a_run_is_refused_where_it_is_none(value):
    good = experiment(steps=5)
    accepted = []
    for group, name in numbers(good, float):
        part = dataclasses.replace(getattr(good, group), **{name: value})
        try:
            dataclasses.replace(good, **{group: part}).check()
            accepted.append(name)
        except ValueError as error:
            assert "\n" not in str(error)
    assert not accepted
