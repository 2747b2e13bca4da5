"""Runs as reproduce.py's trainings leave them, without training, and the tables that it makes."""

import json
import os
import re

import numpy as np

from pipelines.files import write_json
from sparseface_tf.reproduction import Reproducer, Reproduction
from sparseface_tf.reproduction.runs import Runs
from sparseface_tf.runs import METRICS, SETTINGS, scores_file
from sparseface_tf.runs.folder import HISTORY, MASKS
from sparseface_tf.sparsify import save_masks
from sparseface_tf.training.experiment import Experiment

PAIRS = 200


def reproducer(folder, tables, criteria_file="", **options):
    """A `Reproducer` of small networks."""
    settings = Experiment.of(
        output=str(folder),
        study=True,
        width=48,
        steps=8,
        retrain_steps=6,
        criteria_file=criteria_file,
    )
    return Reproducer(Reproduction(table=tables, **options), settings)


def decisions(seed, share):
    """What a stage leaves of a test, of the same pairs whatever the share of correct decisions."""
    people = np.random.default_rng(7).integers(40, size=(PAIRS, 2)).astype(np.int32)
    right = np.random.default_rng(seed).random(PAIRS) < share
    return {
        "scores": np.zeros(PAIRS, np.float32),
        "right": right,
        "same": people[:, 0] == people[:, 1],
        "folds": np.arange(PAIRS) % 10,
        "identities": people,
    }


def classified(accuracy, nearest_centre):
    """What a stage leaves of 100 held-out images of 50 people, of which so many are identified."""
    number = np.arange(100)
    return {
        "accuracy": number < round(100 * accuracy),
        "nearest_centre": number >= 100 - round(100 * nearest_centre),
        "identities": number // 2,
    }


def made_run(folder, chain, seed, accuracy, **changed):
    """A finished run as Stages leaves it, as far as tables look at it; returns its accuracy."""
    runs = Runs(folder, range(9))
    settings = chain.experiment(
        Experiment.of(study=True, width=48, steps=8, retrain_steps=6), seed, runs.of(chain, seed)
    )
    os.makedirs(settings.run.output, exist_ok=True)
    write_json(os.path.join(settings.run.output, SETTINGS), settings.description() | changed)
    os.makedirs(runs.stage(chain, seed))
    return made_stage(runs.stage(chain, seed), chain, seed, accuracy)


def made_stage(stage, chain, seed, accuracy):
    """Writes what the last stage of a run leaves into its folder; returns its accuracy."""
    pairs = decisions(100 * seed + int(1e4 * accuracy), accuracy)
    answers = {"test": pairs, "training": pairs}

    def save(name, identified):
        answers["classification"] = identified
        flat = {f"{test}/{key}": one[key] for test, one in answers.items() for key in one}
        np.savez(os.path.join(stage, name), **flat)
        return {name: float(identified[name].mean()) for name in ("accuracy", "nearest_centre")}

    verified = {"accuracy": float(pairs["right"].mean())}
    metrics = {
        "parameters": 1000,
        "parameters_kept": 1000 - 100 * len(chain.stages),
        "compression_ratio": 1 - 0.1 * len(chain.stages),
        "verification": {"test": verified, "training": verified},
        "multiply_adds": 2_500_000_000,
        "classification": save(scores_file(), classified(accuracy - 0.1, accuracy - 0.2)),
    }
    if chain.network == "vgg16_prioritised" and chain.stages:
        # Each narrower one is worse by 0.05.
        metrics["levels"] = {
            f"{width:g}": {
                "parameters_kept": int(1000 * width),
                "multiply_adds": 1e9 * width,
                "verification": {"test": {"accuracy": 0.5 + width / 5}},
                "classification": save(
                    scores_file(width), classified(accuracy - 0.1 - (1 - width) / 5, 0)
                ),
            }
            for width in (0.75, 0.5, 0.25)
        }
    if chain.stages:
        metrics["mean_abs_correlation"] = {"before": 0.1, "after": 0.2 + 0.01 * seed}
        layer = chain.stages[-1].partition(":")[0].rpartition("-")[2]
        save_masks(os.path.join(stage, MASKS), {layer: np.eye(8, dtype=bool)})
    lines = [{"step": step, "f_identity_loss": 7 - step} for step in range(1, 5)]
    with open(os.path.join(stage, HISTORY), "w") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    write_json(os.path.join(stage, METRICS), metrics)
    return verified["accuracy"]


def cells(markdown, number=0):
    """The rows of a Markdown table, lists of strings."""
    tables = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    lines = tables[number].splitlines()
    split = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[cell.strip() for cell in row] for row in [split[0], *split[2:]]]
