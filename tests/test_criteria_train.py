"""A run with every kind of criterion, a stage each."""

import json

import pytest
from run_folders import claim

from sparseface_tf.criteria import Criterion
from sparseface_tf.sparsify import load_masks
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.stages import Stages

MINE = """
import dataclasses
import numpy as np
from sparseface_tf.criteria import Criterion

@dataclasses.dataclass(frozen=True)
class Last(Criterion):
    name = "last_of_test"

    def scores(self, model, layer_name, batches=None, *, seed=0, progress=False):
        kernel = model.get_layer(layer_name).kernel
        return np.arange(np.prod(kernel.shape), dtype=float).reshape(kernel.shape)
"""


def test_a_stage_of_each_kind(tmp_path, small_runs, monkeypatch):
    monkeypatch.setattr(Criterion, "named", dict(Criterion.named))  # what it adds goes again
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    stages = {
        "f": ("1/16-f:brp,strength=1e-4", 1 / 16),
        "conv2": ("1/8-conv2", 1 / 8),
        "conv1": ("1/2-conv1:last_of_test", 1 / 2),
    }
    settings = experiment(
        network="deepid2plus", branches=["pool1"], margin="1", pairs=2, steps=2, retrain_steps=4,
        checkpoint_steps=3, correlation_images=8, deterministic=True,
        sparsify=[text for text, _ in stages.values()], criterion="obd,draws=2",
        criteria_file=str(mine), output=str(tmp_path / "run"),
    )  # fmt: skip
    with Stages(settings) as run:
        run.prepare()
        table = run.run()
    assert "1/16-f:brp,strength=1e-4 1/8-conv2 1/2-conv1:last_of_test" in table
    criteria = []
    for number, (layer, (_, share)) in enumerate(stages.items(), start=1):
        metrics = json.loads((tmp_path / f"run/stage{number}/metrics.json").read_text())
        criteria.append(metrics["criterion"])
        count = metrics["layers"][layer]
        assert count["kept"] == round(share * count["weights"])
        r = metrics["mean_abs_correlation"]
        assert r["layer"] == layer and 0 < r["before"] < 1 and 0 < r["after"] < 1
        assert ("forced" in metrics["selection"]) == (layer == "f")
    assert [text.split(",")[0] for text in criteria] == ["brp", "obd", "last_of_test"]
    assert criteria[1] == "obd,draws=2" and "strength=0.0001" in criteria[0]
    masks = load_masks(tmp_path / "run/stage3/masks.npz")
    last = masks["conv1"].ravel()
    assert not last[: len(last) // 2].any() and last[len(last) // 2 :].all()

    # The file of criteria is a setting as well.
    saved = json.loads((tmp_path / "run" / "experiment.json").read_text())
    del saved["format"]  # of the file, no setting
    changes = {"regions": "", "criteria_file": str(mine), "output": str(tmp_path / "run")}
    same = Experiment.of(**{**saved, **changes})
    claim(same)
    mine.write_text(MINE + "\n# changed\n")
    with pytest.raises(ValueError, match=r"other settings \(--criteria_file was"):
        claim(same)


def experiment(**kwargs):
    return Experiment.of(**{"steps": 1, "retrain_steps": 1, **kwargs})


def test_each_stage_has_its_criterion():
    chosen = experiment(
        sparsify=["1/256-f", "1/128-5b:correlation,lam=1", "1/2-4b:obd"], lam=0.5
    )
    chosen = [stage.criterion for stage in chosen.stages()[1:]]
    assert [criterion.name for criterion in chosen] == ["correlation", "correlation", "obd"]
    assert [criterion.lam for criterion in chosen[:2]] == [0.5, 1.0]
    chosen = experiment(sparsify=["1/256-f", "1/128-5b:correlation"], criterion="random")
    chosen = [stage.criterion for stage in chosen.stages()[1:]]
    assert [criterion.name for criterion in chosen] == ["random", "correlation"]


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(criterion="best"), "--criterion=best: there is no criterion 'best'; choose from brp"),
        (dict(sparsify=["1/2-f:best"]), "--sparsify=1/2-f:best: there is no criterion 'best'"),
        (dict(sparsify=["1/2-f:"]), "expected S-LAYER or S-LAYER:CRITERION"),
        (dict(criterion="obd,lam=1"), "has no setting 'lam'; it has draws=…"),
        (dict(sparsify=["1/2-f:brp"], block=4), "'brp' keeps single weights only"),
        (dict(criteria_file="no such file.py"), "No file of criteria no such file.py"),
    ],
)
def test_nonsense_is_refused_in_one_line(settings, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        experiment(**settings).check()
    assert "\n" not in str(error.value)


def test_a_file_of_criteria_is_read(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    try:
        chosen = experiment(sparsify=["1/2-f:last_of_test"], criteria_file=str(path))
        chosen.check()
        assert chosen.stages()[1].criterion.name == "last_of_test"
    finally:
        Criterion.named.pop("last_of_test", None)
