"""The ensemble of Sec. 5.5."""

from sparseface_tf.reproduction.tables.base import Table


class Ensemble(Table):
    """Sec. 5.5."""

    name = "ensemble"
    title = "Section 5.5: networks on regions of the face"
