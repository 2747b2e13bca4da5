"""Every flag file describes a run that makes sense, and the paper's ones are the paper's."""

import fractions
import pathlib

import pytest
from absl import flags

from pipelines.command_line import define_flags, from_flags
from pipelines.faces.regions import read_regions
from sparseface_tf.evaluation.evaluator import Evaluation
from sparseface_tf.programs.train import Page
from sparseface_tf.training.experiment import Experiment

ROOT = pathlib.Path(__file__).parent.parent
ALL = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("flags/**/*.cfg"))
EVALUATIONS = [path for path in ALL if path.endswith("_evaluate.cfg")]
FILES = [path for path in ALL if path not in EVALUATIONS]

# Tables 3 and 4: the stages of each row.
ROWS = {
    "table3_dense": [],
    "table3_f": [("f", 256)],
    "table3_f_5b": [("f", 256), ("5b", 128)],
    "table3_f_5b_4b": [("f", 256), ("5b", 128), ("4b", 2)],
    **{f"table4_5a_{s}": [("f", 256), ("5b", 128), ("5a", s)] for s in (2, 4, 8, 16, 32)},
}


@pytest.fixture
def parse(monkeypatch):
    """Function from a flag file to the settings that train.py or evaluate.py makes of it."""
    monkeypatch.chdir(ROOT)

    def parsed(path, settings=Experiment):
        values = flags.FlagValues()
        define_flags(settings, values)
        if settings is Experiment:
            define_flags(Page, values)
        values(["program", f"--flagfile={path}"])
        return from_flags(settings, values)

    return parsed


@pytest.mark.parametrize("path", FILES)
def test_flag_files_make_sense(parse, path):
    if path != "flags/paper/recipe.cfg":
        experiment = parse(path)
        runs = experiment.runs()
        for run in runs:
            run.check()
        if len(runs) == 1:
            assert pathlib.Path(experiment.run.output).name == pathlib.Path(path).stem
    text = (ROOT / path).read_text()
    assert text.startswith("# ")


@pytest.mark.parametrize("path", EVALUATIONS)
def test_evaluations_are_of_what_is_trained(parse, path):
    training = parse(path.replace("_evaluate", ""))
    evaluation = parse(path, Evaluation)
    evaluation.data = evaluation.train_data = "given"
    evaluation.check()
    stages = len(training.stages())
    patterns = [text.partition("=")[2] for text in evaluation.models]
    assert patterns == [f"{training.run.output}/*/stage{stage}" for stage in range(stages)]
    assert (ROOT / path).read_text().startswith("# ")


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_the_paper(parse, row):
    experiment = parse(f"flags/paper/{row}.cfg")
    stages = [(stage.layer, stage.density) for stage in experiment.stages()[1:]]
    assert stages == [(layer, fractions.Fraction(1, s)) for layer, s in ROWS[row]]
    schedule, network = experiment.schedule, experiment.network
    assert schedule.length(290_000, retrains=False) == 150_000
    assert schedule.length(290_000, retrains=True) == 70_000
    assert round(150_000 * (1 - schedule.finetune)) == 140_000
    assert round(70_000 * (1 - schedule.retrain_finetune)) == 60_000
    assert schedule.learning_rate == 0.01 and not schedule.retrain_learning_rate
    assert schedule.pairs == 64 and experiment.sparsity.lam == 0.75
    assert (network.dropout_5b, network.dropout_f) == (0.3, 0.5)


def test_stages_build_on_one_another(parse):
    for number, stages in enumerate([[], ["1/256-f"], ["1/256-f", "1/128-5b"]]):
        assert parse(f"flags/stage{number}.cfg").sparsity.sparsify == stages
    assert parse("flags/stage3.cfg").sparsity.sparsify == ["1/256-f", "1/128-5b", "1/2-4b"]


def test_every_region_has_its_flag_file(parse):
    names = list(read_regions())
    everything = parse("flags/regions/all.cfg").runs()
    assert [run.data.region for run in everything] == names
    for run in everything:
        alone = parse(f"flags/regions/{run.data.region}.cfg")
        # The folder too: a region trained alone is not trained again among all.
        assert alone == run
        assert alone.region().name == run.data.region
    assert len(FILES) - len([path for path in FILES if "/regions/" not in path]) == len(names) + 1
