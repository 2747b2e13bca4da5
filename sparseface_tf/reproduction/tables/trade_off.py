"""Table 4: accuracy against the number of parameters kept."""

from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.tables.base import N2, Table


class TradeOff(Table):
    """Table 4."""

    name = "4"
    title = "Table 4: accuracy against parameters kept"

    def chains(self):
        shares = ("1/2", "1/4", "1/8", "1/16", "1/32")
        return [N2, *(Chain((*N2.stages, f"{kept}-5a")) for kept in shares)]
