"""The pruning of the package tensorflow-model-optimization, through sparseface_tf.tfmot."""

import dataclasses

from pipelines.command_line import setting
from sparseface_tf import tfmot
from sparseface_tf.criteria.base import Criterion, kernel_of, mask_of


@dataclasses.dataclass(frozen=True)
class ModelOptimization(Criterion):
    """What tfmot's `prune_low_magnitude` keeps: the greatest |w| of the layer, signs put together.

    Its number is tfmot's, not always round(density * |W|): all weights that are as large as the
    smallest one kept stay, and a share is rounded in float32. A layer that is sparse already is
    for another criterion; tfmot looks at kernels, in which a dropped weight is one of many zeros.
    It takes some ten seconds to start.
    """

    name = "tfmot"
    blocks = False
    pattern: str = setting(
        "magnitude", "'magnitude' (ConstantSparsity), or '2:4': two of every four inputs, a density of 1/2."
    )

    def scores(self, model, layer_name, batches=None, *, seed=0, progress=False):
        """The weights themselves; tfmot makes of them what it does."""
        return kernel_of(model.get_layer(layer_name))

    def select(self, scores, layer, density, *, block=1, seed=0):
        self.check(block, density)
        mask = mask_of(layer)
        if mask is not None and not mask.all():
            raise ValueError(
                f"layer '{layer.name}' is sparse already, and criterion 'tfmot' is for whole layers."
            )
        if self.pattern == "2:4":
            return tfmot.two_by_four_mask(layer, layer.name, progress=False)
        return tfmot.magnitude_mask(layer, layer.name, density=float(density), progress=False)

    def check(self, block=1, density=None):
        super().check(block, density)
        tfmot.check_installed()
        if self.pattern not in ("magnitude", "2:4"):
            raise ValueError(
                f"setting pattern of criterion 'tfmot' must be 'magnitude' or '2:4', got "
                f"'{self.pattern}'."
            )
        if self.pattern == "2:4" and density not in (None, 1 / 2):
            raise ValueError(f"criterion 'tfmot,pattern=2:4' keeps 1/2 of a layer, not {density}.")
