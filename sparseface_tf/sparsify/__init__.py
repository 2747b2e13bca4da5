"""Which connections to keep: correlations (eqs. 1, 2) and the masks sampled from them.

The fraction of a layer's weights that is kept is its `density` everywhere: the paper's S, which it calls
the degree of sparsity.
"""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from sparseface_tf.sparsify.comoments import CorrelationStatistics
    from sparseface_tf.sparsify.correlations import (
        layer_correlations,
        mean_abs_correlation,
        network_correlations,
    )
    from sparseface_tf.sparsify.geometry import layer_geometry, layer_kind, output_positions
    from sparseface_tf.sparsify.kept_inputs import kept_input_correlation
    from sparseface_tf.sparsify.masks import sample_mask
    from sparseface_tf.sparsify.packing import load_masks, pack_mask, save_masks, unpack_mask

__all__ = [
    "CorrelationStatistics",
    "kept_input_correlation",
    "layer_correlations",
    "layer_geometry",
    "layer_kind",
    "load_masks",
    "mean_abs_correlation",
    "network_correlations",
    "output_positions",
    "pack_mask",
    "sample_mask",
    "save_masks",
    "unpack_mask",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
