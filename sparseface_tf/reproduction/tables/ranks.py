"""Figure 1: how large the weights are that correlation keeps."""

import keras
import numpy as np
import scipy.stats

from sparseface_tf.reproduction import plots
from sparseface_tf.reproduction.measures import Claim, Measure
from sparseface_tf.reproduction.tables.base import (
    N1,
    N2,
    N3,
    NONE,
    OVER_SEEDS,
    Findings,
    Table,
    told,
)
from sparseface_tf.runs.folder import MASKS, MODEL
from sparseface_tf.sparsify.packing import load_masks

_BINS = 20


class Ranks(Table):
    """Figure 1: ranks of the kept weights among a neuron's positive, or negative, weights."""

    name = "figure1"
    title = "Figure 1: magnitude ranks of the weights kept"

    def chains(self):
        return [N1, N2, N3]

    def findings(self, results):
        rows = [["layer", "weights", "mean rank", "greatest distance from uniform", "seeds"]]
        claims, numbers, densities = [], {}, {}
        for chain in self.chains():
            layer = chain.stages[-1].rpartition("-")[2]
            by_seed = {s: _ranks_of(results.runs, chain, s, layer) for s in results.seeds(chain)}
            for sign in ("positive", "negative"):
                ranks = {seed: both[sign] for seed, both in by_seed.items()}
                if not ranks:
                    rows.append([layer, sign, NONE, NONE, "0"])
                    continue
                means = _over(ranks, np.mean)
                distances = _over(ranks, _distance)
                rows.append([layer, sign, told(means), told(distances), str(len(ranks))])
                density = [
                    np.histogram(one, _BINS, (0, 1))[0] * _BINS / len(one)
                    for one in ranks.values()
                ]
                densities.setdefault(layer, {})[sign] = np.mean(density, axis=0)
                claims.append(
                    Claim(
                        f"{layer}: the {sign} weights kept are as often large as small "
                        "(mean rank 0.5)",
                        _mean_rank_off_middle(ranks),
                        scale=1,
                        equal=True,
                    )
                )
                numbers[f"{layer}, {sign}"] = {
                    "mean rank": means.values,
                    "distance from uniform": distances.values,
                    "density by rank, largest first": densities[layer][sign].tolist(),
                }
        caption = (
            "How often a weight of each magnitude rank is kept, 1 being as often as by chance; "
            "mean over seeds."
        )
        return Findings(
            tables={self.title: rows},
            claims=claims,
            notes=[
                "Ranks are those of |w| in the denser network, among all positive (negative) "
                "weights of the same neuron, from 0 for the largest to 1 for the smallest. "
                "Distance: of Kolmogorov and Smirnov, the greatest of the distribution from the "
                "uniform one.",
                OVER_SEEDS,
            ],
            figures={"ranks": (caption, plots.plot_ranks(densities))} if densities else {},
            numbers=numbers,
        )


def magnitude_ranks(kernel, mask, sign):
    """Where the kept weights of a sign stand among all of their neuron's, by magnitude.

    Args:
        kernel: float array, (K, units), (kh, kw, inputs, maps) or (oh, ow, kh, kw, inputs, maps).
        mask: boolean array of the same shape.
        sign: 1 or -1.

    Returns:
        float64 array, one entry for each kept weight of that sign: (rank - 1/2) / number, rank 1
        being that of the largest.
    """
    positions = kernel.shape[0] * kernel.shape[1] if kernel.ndim == 6 else 1
    # (positions, K, neurons): a neuron's weights are a column.
    size = sign * kernel.reshape(positions, -1, kernel.shape[-1]).astype(np.float64)
    of_sign = size > 0
    order = np.argsort(np.where(of_sign, -size, np.inf), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None, :, None], axis=1)
    relative = (rank + 0.5) / np.maximum(of_sign.sum(axis=1, keepdims=True), 1)
    return relative[of_sign & mask.reshape(size.shape)]


def _ranks_of(runs, chain, seed, layer):
    """Ranks of the weights that the last stage of a run kept, a dict by sign."""
    before = runs.folder_of(chain, seed).stage(len(chain.stages) - 1, MODEL)
    model = keras.models.load_model(before)
    kernel = keras.ops.convert_to_numpy(model.get_layer(layer).kernel)
    mask = load_masks(runs.stage(chain, seed, MASKS))[layer]
    signs = {"positive": 1, "negative": -1}
    return {name: magnitude_ranks(kernel, mask, sign) for name, sign in signs.items()}


def _distance(ranks):
    """Of Kolmogorov and Smirnov, from the uniform distribution."""
    return scipy.stats.kstest(ranks, "uniform").statistic


def _over(ranks, function):
    return Measure.of({seed: float(function(one)) for seed, one in ranks.items()})


def _mean_rank_off_middle(ranks):
    """Mean rank less 1/2; of one seed with the interval that its number of weights gives."""
    n = len(next(iter(ranks.values())))
    middle = _over(ranks, np.mean).mean - 0.5
    half = 1.96 * np.sqrt(1 / 12 / n)
    return Measure.of(
        {seed: float(np.mean(one)) - 0.5 for seed, one in ranks.items()},
        (middle - half, middle + half),
        f"{n:,} weights, as many independent uniform ranks",
    )
