"""Table 6: how alike the inputs are that a neuron of 5b keeps."""

from sparseface_tf.reproduction.tables.base import N1, Table


class Complementarity(Table):
    """Table 6."""

    name = "6"
    title = "Table 6: correlation among the inputs kept"

    def chains(self):
        return [N1]
