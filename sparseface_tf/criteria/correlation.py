"""Neural correlations, the paper's criterion (Sec. 4.1)."""

import dataclasses

from pipelines.command_line import setting
from sparseface_tf.criteria.base import Criterion, mask_of
from sparseface_tf.sparsify import layer_correlations, layer_kind, sample_mask


@dataclasses.dataclass(frozen=True)
class Correlation(Criterion):
    """More of the connections between strongly correlated neurons than of the others.

    The scores are `layer_correlations` (eqs. 1 and 2), and of them the weights to keep are drawn
    by `sample_mask`, neuron by neuron, positive and negative coefficients apart.
    """

    name = "correlation"
    images = "held_out"

    lam: float = setting(
        0.75, "Share kept from the upper half: 0.5 is the paper's 'r', 1 its 'h'."
    )
    memory: float = setting(2048.0, "Memory for the statistics, in MiB.")

    def __post_init__(self):
        if not 0 <= self.lam <= 1:
            raise ValueError(f"lam of criterion 'correlation' must be in [0, 1], got {self.lam}.")
        if not self.memory > 0:
            raise ValueError(f"memory of criterion 'correlation' must be above 0, got {self.memory}.")

    def scores(self, model, layer_name, batches, *, seed=0, progress=False):
        return layer_correlations(
            model, layer_name, batches, memory_limit=int(self.memory * 2**20), progress=progress
        )

    def select(self, scores, layer, density, *, block=1, seed=0):
        return sample_mask(
            scores,
            density,
            layer_kind=layer_kind(layer),
            lam=self.lam,
            block=block,
            seed=seed,
            allowed=mask_of(layer),
        )
