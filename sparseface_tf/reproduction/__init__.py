"""The comparisons behind the paper's tables and figures, run and set beside the published ones.

`Reproducer` does what reproduce.py does, from the settings of a `Reproduction` and the `Experiment`
of the scale.

* `chains`, `runs`: which stages lead to a network, and the runs that train it, each once a seed.
* `tables`: a module for each table or figure. `published`: the papers' figures.
* `measures`, `results`: numbers over seeds, and what their spread allows to say.
* `report`, `plots`: a table as Markdown, page, JSON and pictures.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.reproduction.chains import Chain
    from sparseface_tf.reproduction.measures import Claim, Measure
    from sparseface_tf.reproduction.reproducer import Reproducer
    from sparseface_tf.reproduction.settings import Reproduction
    from sparseface_tf.reproduction.tables import TABLES

__all__ = ["TABLES", "Chain", "Claim", "Measure", "Reproducer", "Reproduction"]

__getattr__, __dir__ = handed_on(__name__, __file__)
