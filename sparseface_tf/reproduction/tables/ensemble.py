"""The ensemble of Sec. 5.5."""

import glob
import os

import numpy as np

from pipelines.files import read_json
from sparseface_tf.evaluation.tables import formatted, formatted_interval
from sparseface_tf.reproduction.measures import Claim, Measure
from sparseface_tf.reproduction.published import ENSEMBLE
from sparseface_tf.reproduction.tables.base import (
    NONE,
    Findings,
    Table,
    told_difference,
    told_published,
)
from sparseface_tf.runs import METRICS, RunFolder

# Figures of ENSEMBLE -> (protocol, number) of evaluate.py.
_JOINED = {
    "joined": ("lfw", "accuracy"),
    "closed-set rank 1": ("lfw_identification", "closed set, rank 1"),
    "open-set rank 1 at 1 % false alarms": (
        "lfw_identification",
        "open set, rank 1 at 1 % false alarms",
    ),
    "YTF, joined": ("ytf", "accuracy"),
}


class Ensemble(Table):
    """Sec. 5.5, of networks that train.py and evaluate.py have left; it trains nothing."""

    name = "ensemble"
    title = "Section 5.5: networks on regions of the face"

    def missing(self):
        if not self.reproduction.ensemble:
            return "The ensemble's networks are train.py's and evaluate.py's: give --ensemble."
        path = os.path.join(self.reproduction.ensemble, "report.json")
        return "" if os.path.exists(path) else f"--ensemble: there is no {path}."

    def findings(self, results):
        folder = self.reproduction.ensemble
        report = read_json(os.path.join(folder, "report.json"))
        networks = _networks(read_json(os.path.join(folder, "evaluation.json"))["models"])
        singles, claims = _singles(networks)
        joined = _joined(report)
        return Findings(
            tables={
                self.title: joined,
                "The networks one by one, LFW accuracy by cosine": singles,
            },
            claims=claims,
            notes=[
                f"{max(map(len, networks.values()), default=0)} regions; the paper has 25. A "
                "gain's interval is of Student's t over regions, each network being trained once."
            ],
            numbers={"networks": networks, "joined": report["protocols"], "published": ENSEMBLE},
        )


def _networks(models):
    """Accuracies of single networks: {system: {region: accuracy}}, as train.py measured them.

    Args:
        models: of evaluation.json, such as ["dense=runs/regions/*/stage0", …].
    """
    found = {}
    for text in models:
        name, _, pattern = text.rpartition("=")
        stages = [s for part in pattern.split(",") for s in sorted(glob.glob(part))]
        for stage in stages:
            path = os.path.join(stage, METRICS)
            if os.path.exists(path):
                run = RunFolder(os.path.dirname(stage)).settings()
                verified = read_json(path)["verification"]
                if "test" in verified:
                    accuracies = found.setdefault(name or pattern, {})
                    accuracies[run["region"]] = verified["test"]["accuracy"]
    return found


def _singles(networks):
    """The table of single networks, and the claims that each layer raises their mean."""
    regions = list(dict.fromkeys(region for one in networks.values() for region in one))
    rows = [["region", *networks]]
    for region in regions:
        values = (one.get(region) for one in networks.values())
        rows.append([region, *(NONE if v is None else formatted(v) for v in values)])
    means = [np.mean(list(one.values())) for one in networks.values()]
    rows.append(["mean", *map(formatted, means)])
    claims, gains = [], [NONE]
    for (before, one), (after, other) in zip(list(networks.items()), list(networks.items())[1:]):
        rise = {region: other[region] - one[region] for region in other if region in one}
        if not rise:
            gains.append(NONE)
            continue
        place = len(gains) - 1
        figure = ENSEMBLE["gains"][place] if place < len(ENSEMBLE["gains"]) else None
        gain = Measure.of(rise, parts="regions")
        claims.append(Claim(f"mean of {after} above that of {before}", gain, figure))
        gains.append(told_difference(gain))
    if len(networks) > 1:
        rows.append(["rise, in points", *gains])
    paper = ENSEMBLE["mean of single networks"]
    figures = [paper["dense"], *[None] * (len(networks) - 2), paper["sparse"]]
    rows.append(["mean of 25, paper", *map(told_published, figures[: len(networks)])])
    return rows, claims


def _joined(report):
    """The table of joined features."""
    rows = [["networks, joined", *_JOINED]]
    found = {}
    for title, (protocol, number) in _JOINED.items():
        for run in report["protocols"].get(protocol, {"runs": []})["runs"]:
            one = run["numbers"][number]
            text = f"{formatted(one['value'])} {formatted_interval(one['interval'], one['value'])}"
            found.setdefault(f"{run['system']}, {run['scorer']}", {})[title] = text.rstrip()
    for name, numbers in found.items():
        rows.append([name, *(numbers.get(title, NONE) for title in _JOINED)])
    rows.append(["25 sparse, paper", *(told_published(ENSEMBLE[title]) for title in _JOINED)])
    return rows
