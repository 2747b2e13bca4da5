"""What a table is."""

from sparseface_tf.reproduction.chains import Chain

# The paper's structure, layer by layer.
F, FIVE_B, FOUR_B = "1/256-f", "1/128-5b", "1/2-4b"
STRUCTURE = (F, FIVE_B, FOUR_B)
DENSE, N1, N2, N3 = (Chain(STRUCTURE[:layers]) for layers in range(4))


class Table:
    """A table or figure of the paper.

    Attributes of the class:
        name: as of --table.
        title: its headline.

    Args:
        reproduction: the `Reproduction`, which has what some tables ask for.
    """

    name = title = ""

    def __init__(self, reproduction):
        self.reproduction = reproduction

    def check(self):
        """Raises ValueError, in one line, if something is missing that this table needs."""

    def chains(self):
        """The networks that it is made from, a list of `Chain` in the order of training."""
        return []

    def measure(self, runs, seed, settings):
        """Measures, of the finished networks of a seed, what their runs have not.

        Args:
            runs: the `Runs`.
            seed: integer.
            settings: `Experiment` of the scale.
        """
