"""Which connections to keep: correlations (eqs. 1, 2) and the masks sampled from them."""

from sparseface_tf.sparsify.comoments import CorrelationStatistics
from sparseface_tf.sparsify.correlations import layer_correlations
from sparseface_tf.sparsify.correlations import mean_abs_correlation
from sparseface_tf.sparsify.correlations import network_correlations
from sparseface_tf.sparsify.geometry import layer_geometry
from sparseface_tf.sparsify.geometry import layer_kind
from sparseface_tf.sparsify.geometry import output_positions
from sparseface_tf.sparsify.kept_inputs import kept_input_correlation
from sparseface_tf.sparsify.masks import sample_mask
from sparseface_tf.sparsify.packing import load_masks
from sparseface_tf.sparsify.packing import pack_mask
from sparseface_tf.sparsify.packing import save_masks
from sparseface_tf.sparsify.packing import unpack_mask
