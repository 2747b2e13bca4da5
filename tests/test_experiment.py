import fractions

import pytest

from pipelines.files import read_json
from sparseface_tf.training.experiment import Experiment


def experiment(**kwargs):
    return Experiment(**{"steps": 10, "retrain_steps": 5, **kwargs})


def test_stages_are_read_in_order():
    stages = experiment(sparsify=["1/256-f", "0.5-5b", "1-4b"]).stages()
    assert stages == [
        ("f", fractions.Fraction(1, 256)),
        ("5b", fractions.Fraction(1, 2)),
        ("4b", fractions.Fraction(1)),
    ]


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
        (dict(held_out=0.0), "--held_out"),
        (dict(learning_rate=0.0), "--learning_rate"),
        (dict(dropout_f=1.0), "--dropout_f"),
        (dict(test_pairs="pairs.txt"), "belong together"),
        (dict(rotation=-3.0), r"--rotation must be in \[0, 180\]"),
        (dict(max_images=1), "--max_images must be 0 or at least 2"),
        (dict(data_service="grpc://host:1"), "add --noordered"),
        (dict(sampling="people"), "--sampling must be one of images, identities"),
        (dict(test_data="faces"), "belong together"),
        (dict(exclude="exclude.txt"), "--exclude names images of --data"),
        (dict(network="vgg"), "--network must be one of baseline, deepid2plus"),
        (dict(network="deepid2plus", study=True), "--study leaves out block 1 of the baseline"),
        (
            dict(network="deepid2plus", sparsify=["1/2-5b"]),
            "no layer '5b'; choose from conv1, conv2, conv3, conv4, f",
        ),
        (dict(width=-1), "--width must be >= 0"),
        (dict(identification="triplet"), "--identification must be one of softmax, arcface, cosf"),
        (dict(identification="arcface", softmax_margin=2.0), "--identification=arcface: ArcFace"),
        (dict(identification="cosface", softmax_scale=-1.0), "--identification=cosface: The sca"),
        (dict(softmax_scale=16.0), "--identification=softmax: .* softmax has none"),
    ],
)
def test_nonsense_is_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as error:
        experiment(**settings).check()
    assert "\n" not in str(error.value)


def test_each_network_has_its_input_and_its_layers():
    face, square = experiment().region_of_face(), experiment(region="nose").region_of_face()
    assert (face.height, face.width, square.height) == (112, 96, 96)
    other = experiment(network="deepid2plus", sparsify=["1/256-f", "1/4-conv4"])
    other.check()
    face = other.region_of_face()
    assert (face.height, face.width) == (55, 47)
    assert experiment(network="deepid2plus", region="nose").region_of_face().height == 47
    assert experiment(network="deepid2plus", width=64).region_of_face().width == 64
    assert [layer for layer, _ in other.stages()] == ["f", "conv4"]
    assert experiment(study=True).layers()[0] == "2a"


def test_the_identification_signal_with_and_without_its_own_margin():
    assert experiment(identification="arcface").identification_loss().margin == 0.5
    settings = dict(identification="cosface", softmax_margin=0.0, softmax_scale=16.0)
    loss = experiment(**settings).identification_loss()
    assert (loss.margin, loss.scale) == (0.0, 16.0)


def test_lengths_in_batches_or_in_epochs():
    assert experiment().stage_steps(0, 10**6) == 10
    assert experiment().stage_steps(1, 10**6) == 5
    in_epochs = Experiment(epochs=2.0, retrain_epochs=0.5, pairs=64)
    assert in_epochs.stage_steps(0, 12_800) == 200
    assert in_epochs.stage_steps(3, 12_800) == 50


def test_a_run_for_each_region(tmp_path):
    one = experiment(region="left_eye")
    assert one.runs() == [one]
    assert one.region_of_face().height == 96
    assert experiment(region="face_grey", width=48).region_of_face().height == 56
    several = experiment(region="nose,face", output="runs/x").runs()
    assert [(run.region, run.output) for run in several] == [
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
    mine.claim()
    mine.claim()
    table.write_text(table.read_text().replace("0.5", "0.6"))
    with pytest.raises(ValueError, match="--regions was .*0.5.* is .*0.6"):
        mine.claim()


def test_an_output_folder_belongs_to_one_run(tmp_path):
    output = str(tmp_path / "new" / "run")
    experiment(output=output).claim()
    settings = read_json(f"{output}/experiment.json")
    assert settings["steps"] == 10 and "output" not in settings
    experiment(output=output).claim()  # the same again: resumes
    with pytest.raises(ValueError, match="--seed was 0, is 1; --sparsify|--sparsify.*--seed was 0"):
        experiment(output=output, seed=1, sparsify=["1/2-f"]).claim()
    assert read_json(f"{output}/experiment.json") == settings


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        experiment(output=str(tmp_path)).claim()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
