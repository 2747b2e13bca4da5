"""Batches: the pairs of every training step, all images in order, and pairs to test on."""

from typing import TYPE_CHECKING

from pipelines.lazy import handed_on

if TYPE_CHECKING:
    from pipelines.batches.batches import (
        image_batches,
        network_input,
        pair_batches,
        region_batches,
        served,
    )
    from pipelines.batches.pairs import Pairs, deal_folds, held_out_pairs
    from pipelines.batches.pairs_file import NamedPairs, read_named_pairs, read_pairs

__all__ = [
    "NamedPairs",
    "Pairs",
    "deal_folds",
    "held_out_pairs",
    "image_batches",
    "network_input",
    "pair_batches",
    "read_named_pairs",
    "read_pairs",
    "region_batches",
    "served",
]

__getattr__, __dir__ = handed_on(__name__, __file__)
