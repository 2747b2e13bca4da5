"""Table 5: which correlations are kept."""

from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.tables.base import STRUCTURE, Table

SELECTIONS = {
    "λ = 0.75": "correlation,lam=0.75",
    "random": "correlation,lam=0.5",
    "highest": "correlation,lam=1",
}


class Selection(Table):
    """Table 5."""

    name = "5"
    title = "Table 5: selection by correlation"

    def chains(self):
        return [
            last_by(layers, criterion)
            for layers in range(len(STRUCTURE))
            for criterion in SELECTIONS.values()
        ]


def last_by(layers, criterion):
    """The chain of the first layers by correlation, and the next one by a criterion."""
    # As the layers above are chosen: the network is the same and shared.
    own = "" if criterion in ("correlation", "correlation,lam=0.75") else f":{criterion}"
    return Chain((*STRUCTURE[:layers], STRUCTURE[layers] + own))
