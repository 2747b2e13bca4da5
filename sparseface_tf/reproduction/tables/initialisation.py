"""Table 7: the denser network's weights, or new ones."""

import dataclasses

from sparseface_tf.reproduction import plots
from sparseface_tf.reproduction.measures import Claim
from sparseface_tf.reproduction.published import TABLE_7
from sparseface_tf.reproduction.tables.base import N1, N2, N3, NetworkTable, Row


class Initialisation(NetworkTable):
    """Table 7."""

    name = "7"
    title = "Table 7: with and without the denser network's weights"
    front = ("sparse structure", "if pre-trained")
    quantities = ("accuracy", "training error")
    reference = "pre-trained"

    def rows(self):
        rows = []
        for chain in (N1, N2, N3):
            for pretrained in (True, False):
                figures = TABLE_7[chain.stages[-1]][pretrained]
                rows.append(
                    Row(
                        (chain.title, "yes" if pretrained else "no"),
                        chain if pretrained else _anew(chain),
                        dict(zip(self.quantities, figures)),
                        None if pretrained else chain,
                    )
                )
        return rows

    def claims(self, results):
        claims = []
        for chain in (N1, N2, N3):
            text = f"{chain.title}: pre-trained above from scratch"
            claims.append(self.claim(results, text, chain, _anew(chain)))
            # More correct decisions are a smaller error.
            found = results.paired(chain, _anew(chain), "training")
            figures = TABLE_7[chain.stages[-1]]
            claims.append(
                Claim.of(
                    f"{chain.title}: smaller error on the training set if pre-trained",
                    found,
                    figures[False][1] - figures[True][1],
                )
            )
        return claims

    def notes(self, results):
        return [
            "From scratch: the masks are those chosen in the denser network, the weights are drawn "
            "anew, and training lasts as long as the baseline's. A pre-trained network has had the "
            "baseline's training and a re-training for each sparse layer.",
            "Training error: of verification, by cosine, of pairs drawn from the training "
            "identities, ten folds.",
        ]

    def figures(self, results):
        curves = {}
        for chain in (N1, N2, N3):
            for name, one in (("pre-trained", chain), ("from scratch", _anew(chain))):
                found = [results.runs.history(one, seed) for seed in results.seeds(one)]
                if found:
                    curves.setdefault(chain.title, {})[name] = found
        if not curves:
            return {}
        caption = (
            "Identification loss of f on the training mini-batches of the last stage, a line for "
            "each seed, thick the mean."
        )
        return {"learning_curves": (caption, plots.plot_learning_curves(curves))}


def _anew(chain):
    return dataclasses.replace(chain, from_scratch=True)
