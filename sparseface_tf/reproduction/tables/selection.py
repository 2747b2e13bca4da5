"""Table 5: which correlations are kept."""

from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.measures import Claim
from sparseface_tf.reproduction.published import TABLE_5
from sparseface_tf.reproduction.tables.base import STRUCTURE, NetworkTable, Row

# The paper's names of them -> criterion.
SELECTIONS = {
    "λ = 0.75": "correlation,lam=0.75",
    "random": "correlation,lam=0.5",
    "highest": "correlation,lam=1",
}
_QUANTITIES = ("accuracy", "mean |r| before", "mean |r| after")


class Selection(NetworkTable):
    """Table 5: λ = 0.75, 0.5 ("random") and 1 ("highest"), in the last layer that is sparse."""

    name = "5"
    title = "Table 5: selection by correlation"
    front = ("last layer", "selection")
    quantities = _QUANTITIES
    reference = "λ = 0.75"

    def rows(self):
        return [
            Row(
                (last, selection),
                last_by(layer, SELECTIONS[selection]),
                {q: figure for q, figure in zip(_QUANTITIES, figures) if figure is not None},
                None if selection == "λ = 0.75" else last_by(layer, "correlation"),
            )
            for layer, last in enumerate(STRUCTURE)
            for selection, figures in TABLE_5[last].items()
        ]

    def claims(self, results):
        claims = []
        for layer, last in enumerate(STRUCTURE):
            ours, random, highest = (last_by(layer, one) for one in SELECTIONS.values())
            for other, chain in (("random", random), ("highest", highest)):
                text = f"{last}: λ = 0.75 above {other}"
                claims.append(self.claim(results, text, ours, chain))
            text = f"{last}: mean |r| before re-training, λ = 0.75 above random"
            claims.append(self.claim(results, text, ours, random, "mean |r| before"))
            for selection, chain in (("λ = 0.75", ours), ("random", random)):
                before, after = TABLE_5[last][selection][1:]
                claims.append(
                    Claim(
                        f"{last}, {selection}: mean |r| rises by re-training",
                        results.difference(chain, "mean |r| after", chain, "mean |r| before"),
                        after - before,
                        scale=1,
                    )
                )
        return claims

    def notes(self, results):
        return [
            "|r| is of the connections kept, over held-out images: before re-training in the "
            "denser network, after it in the sparse one; of a convolution, the mean over positions."
        ]


def last_by(layer, criterion):
    """The chain whose layers above are sparsified by correlation, and the last by a criterion.

    Args:
        layer: number of the last layer in `STRUCTURE`.
        criterion: as of --criterion.
    """
    # As the layers above are chosen: the network is the same and shared.
    own = "" if criterion in ("correlation", "correlation,lam=0.75") else f":{criterion}"
    return Chain((*STRUCTURE[:layer], STRUCTURE[layer] + own))
