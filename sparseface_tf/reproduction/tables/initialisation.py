"""Table 7: the denser network's weights, or new ones."""

import dataclasses

from sparseface_tf.reproduction.tables.base import N1, N2, N3, Table


class Initialisation(Table):
    """Table 7."""

    name = "7"
    title = "Table 7: with and without the denser network's weights"

    def chains(self):
        networks = (N1, N2, N3)
        return [*networks, *(dataclasses.replace(n, from_scratch=True) for n in networks)]
