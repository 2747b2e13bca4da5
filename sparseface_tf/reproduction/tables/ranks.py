"""Figure 1: how large the weights are that correlation keeps."""

from sparseface_tf.reproduction.tables.base import N1, N2, N3, Table


class Ranks(Table):
    """Figure 1."""

    name = "figure1"
    title = "Figure 1: magnitude ranks of the weights kept"

    def chains(self):
        return [N1, N2, N3]
