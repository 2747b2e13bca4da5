"""Table 9: the dense and the sparse network on IJB-A."""

from sparseface_tf.reproduction.tables.base import DENSE, N3, Table


class IJBA(Table):
    """Table 9."""

    name = "9"
    title = "Table 9: IJB-A"

    def chains(self):
        return [DENSE, N3]
