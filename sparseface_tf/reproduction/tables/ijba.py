"""Table 9: the dense and the sparse network on IJB-A."""

import os

from pipelines.files import read_json
from sparseface_tf.evaluation.evaluator import Evaluation, Evaluator
from sparseface_tf.evaluation.ijba import FUSIONS
from sparseface_tf.reproduction.measures import Claim, Measure
from sparseface_tf.reproduction.published import TABLE_9
from sparseface_tf.reproduction.tables.base import (
    DENSE,
    N3,
    OVER_SEEDS,
    Findings,
    Table,
    told,
    told_published,
)

_FARS = ("TAR at FAR 0.1", "TAR at FAR 0.01", "TAR at FAR 0.001")
_PROTOCOL, _FOLDER = "ijba_verification", "ijba"


class IJBA(Table):
    """Table 9: verification of templates, dense and 1/256-f 1/128-5b 1/2-4b."""

    name = "9"
    title = "Table 9: IJB-A"

    def missing(self):
        return "" if self.reproduction.ijba_data else "Table 9 is of IJB-A: give --ijba_data."

    def chains(self):
        return [DENSE, N3]

    def measure(self, runs, seed, settings):
        if os.path.exists(os.path.join(_folder(runs, seed), "report.json")):
            return
        if not (runs.finished(DENSE, seed) and runs.finished(N3, seed)):
            return
        networks = {"dense": DENSE, "sparse": N3}
        evaluator = Evaluator(
            Evaluation(
                model=[f"{name}={runs.stage(chain, seed)}" for name, chain in networks.items()],
                protocol=[_PROTOCOL],
                data=self.reproduction.ijba_data,
                lists=self.reproduction.ijba_lists,
                train_data=settings.data.faces,
                exclude=settings.data.exclude,
                output=_folder(runs, seed),
            )
        )
        evaluator.prepare()
        evaluator.run()

    def findings(self, results):
        found = {}
        for seed in results.runs.seeds:
            path = os.path.join(_folder(results.runs, seed), "report.json")
            if os.path.exists(path):
                for run in read_json(path)["protocols"][_PROTOCOL]["runs"]:
                    numbers = {far: run["numbers"][far]["value"] for far in _FARS}
                    found.setdefault((run["system"], run["scorer"]), {})[seed] = numbers
        rows = [["network", "scores", *_FARS, "seeds"]]
        for network, figures in TABLE_9.items():
            rows.append([f"{network}, paper", "Joint Bayesian", *map(told_published, figures), ""])
        for (system, scorer), by_seed in found.items():
            measures = [Measure.of({s: v[far] for s, v in by_seed.items()}) for far in _FARS]
            rows.append([system, scorer, *map(told, measures), str(len(by_seed))])
        claims = []
        for scorer in dict.fromkeys(scorer for _, scorer in found):
            dense, sparse = (found[network, scorer] for network in TABLE_9)
            for far, *figures in zip(_FARS, *TABLE_9.values()):
                difference = {s: sparse[s][far] - dense[s][far] for s in sparse if s in dense}
                text = f"sparse above dense, {far}, {scorer}"
                claims.append(Claim(text, Measure.of(difference), figures[1] - figures[0]))
        numbers = {f"{system}, {scorer}": values for (system, scorer), values in found.items()}
        return Findings(
            tables={self.title: rows},
            claims=claims,
            notes=[
                f"Mean over the splits of IJB-A's 1:1 protocol, as of evaluate.py. {FUSIONS['scores']} "
                "The paper gives that rule for videos, and none for IJB-A.",
                OVER_SEEDS,
            ],
            numbers={"by seed": numbers, "published": TABLE_9},
        )


def _folder(runs, seed):
    return os.path.join(os.path.dirname(runs.of(DENSE, seed)), _FOLDER)
