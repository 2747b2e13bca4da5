"""Table 3: accuracy and size of several sparse structures."""

from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.tables.base import DENSE, N1, N2, N3, Table


class Structures(Table):
    """Table 3, with DeepID2+, of which Sec. 3 has the accuracy."""

    name = "3"
    title = "Table 3: sparse structures"

    def chains(self):
        halved, last = (Chain((*N2.stages, f"{kept}-5a")) for kept in ("1/2", "1/32"))
        return [DENSE, N1, N2, N3, halved, last, Chain(network="deepid2plus")]
