"""Table 6: how alike the inputs are that a neuron of 5b keeps."""

import os

import keras

from pipelines.files import read_json, write_json
from sparseface_tf.criteria import criterion
from sparseface_tf.reproduction.measures import Claim, Measure
from sparseface_tf.reproduction.published import TABLE_6
from sparseface_tf.reproduction.tables.base import (
    FIVE_B,
    N1,
    N2,
    OVER_SEEDS,
    Findings,
    Table,
    told,
    told_published,
)
from sparseface_tf.reproduction.tables.selection import SELECTIONS
from sparseface_tf.runs import MODEL
from sparseface_tf.sparsify import kept_input_correlation
from sparseface_tf.training import seeds
from sparseface_tf.training.session import own_session

_FILE = "kept_inputs.json"


class Complementarity(Table):
    """Table 6: of the masks that the three selections of Table 5 give 5b, before re-training."""

    name = "6"
    title = "Table 6: correlation among the inputs kept"

    def chains(self):
        return [N1]

    @own_session()
    def measure(self, runs, seed, settings):
        path = _path(runs, seed)
        if os.path.exists(path) or not runs.finished(N1, seed):
            return
        with runs.prepared(N1.experiment(settings, seed, runs.of(N1, seed))) as stages:
            images = stages.data.correlation_images(settings.sparsity.correlation_images)
            # As Table 5's begin the next stage: the same images, the same draw.
            stage = N2.experiment(settings, seed, "").stages()[-1]
            model = keras.models.load_model(runs.stage(N1, seed, MODEL))
            drawn = seeds.of_stage(seed, stage.number, seeds.SELECTION)
            found = _selections(model, stage, settings.sparsity, images, drawn)
            write_json(path, found)

    def findings(self, results):
        found = {
            seed: read_json(_path(results.runs, seed))
            for seed in results.runs.seeds
            if os.path.exists(_path(results.runs, seed))
        }
        measures = {
            name: Measure.of({seed: values[name] for seed, values in found.items()})
            if found
            else None
            for name in TABLE_6
        }
        rows = [["selection", "mean correlation", "mean correlation, paper", "seeds"]]
        for name, figure in TABLE_6.items():
            rows.append([name, told(measures[name]), told_published(figure, 4), str(len(found))])
        names = list(TABLE_6)
        claims = [
            Claim(
                f"{FIVE_B}: {higher} above {lower}",
                Measure.of({s: v[higher] - v[lower] for s, v in found.items()}) if found else None,
                TABLE_6[higher] - TABLE_6[lower],
                scale=1,
            )
            for higher, lower in zip(names, names[1:])
        ]
        return Findings(
            tables={self.title: rows},
            claims=claims,
            notes=[
                "The signed correlation over held-out images of every two inputs that a neuron of "
                "5b keeps, averaged over all pairs of all neurons, in the network that 5b is "
                "sparsified of (1/256-f).",
                OVER_SEEDS,
            ],
            numbers={"by seed": found, "published": TABLE_6},
        )


def _path(runs, seed):
    return os.path.join(os.path.dirname(runs.of(N1, seed)), _FILE)


def _selections(model, stage, sparsity, images, seed):
    """The mean correlation among the inputs that each selection keeps, a dict."""
    layer, scores, found = stage.layer, None, {}
    for name, text in SELECTIONS.items():
        chosen = criterion(text, memory=sparsity.correlation_memory)
        if scores is None:
            scores = chosen.scores(model, layer, images, progress=True)
        mask = chosen.select(
            scores,
            model.get_layer(layer),
            stage.density,
            block=sparsity.block,
            seed=seed,
        )
        found[name] = kept_input_correlation(model, layer, images, mask)
    return found
