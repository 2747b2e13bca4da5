"""Table 8: criteria by which the last layer is sparsified."""

from sparseface_tf.reproduction.tables.base import STRUCTURE, Table
from sparseface_tf.reproduction.tables.selection import last_by


class Criteria(Table):
    """Table 8."""

    name = "8"
    title = "Table 8: criteria"

    def chains(self):
        criteria = self.reproduction.criteria
        return [last_by(layers, name) for layers in range(len(STRUCTURE)) for name in criteria]
