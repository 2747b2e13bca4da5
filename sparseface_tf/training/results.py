"""What a finished stage leaves: its network, masks and metrics."""

import os

import numpy as np

from pipelines.files import read_json, write_json
from sparseface_tf.channels import at_width
from sparseface_tf.networks import count, total
from sparseface_tf.runs.folder import (
    CHANNELS,
    CHECKPOINT,
    MASKS,
    METRICS,
    MODEL,
    scores_file,
)
from sparseface_tf.sparsify import save_masks
from sparseface_tf.training import structure
from sparseface_tf.training.checkpoint import save_checkpoint
from sparseface_tf.training.stage_accuracy import tested
from sparseface_tf.training.table import parameters


class Results:
    """Measures trained stages and finishes them.

    Args:
        folder: `RunFolder`.
        data: `RunData`.
        layers: names of the layers whose weights count, see `parameters`.
        channel_multiple: of `at_width`.
    """

    def __init__(self, folder, data, layers, channel_multiple):
        self.folder, self.data, self.layers = folder, data, layers
        self.multiple = channel_multiple

    def finish(self, stages, network, model, facts):
        """Tests a trained stage and makes it a finished one.

        Args:
            stages: the `Stage`s up to this one.
            network, model: of the run.
            facts: what metrics.json says of its training and of its choice of weights.
        """
        stage = stages[-1]

        def write(path):
            metrics = {
                "stage": stage.number,
                "name": stage.title,
                "training": self.data.numbers(),
                **facts,
                **self._sizes(network),
                **self._channels(stages, network),
                **self._tested(path, network, model),
            }
            if stage.criterion:
                metrics["criterion"] = str(stage.criterion)
            if stage.from_scratch:
                metrics["from_scratch"] = True
            for width in stage.widths[1:]:
                narrow = [at_width(each, width, self.multiple) for each in (network, model)]
                tests = self._tested(path, *narrow, width)
                level = {**self._sizes(narrow[0]), **tests}
                metrics.setdefault("levels", {})[f"{width:g}"] = level
            network.save(os.path.join(path, MODEL))
            sparse = [each.layer for each in stages if each.masked]
            masks = {name: np.asarray(network.get_layer(name).mask) for name in sparse}
            save_masks(os.path.join(path, MASKS), masks)
            # Without the optimizer, which the next stage begins anew.
            save_checkpoint(os.path.join(path, CHECKPOINT), model, step=0)
            write_json(os.path.join(path, METRICS), metrics)

        self.folder.finish(stage.number, write)

    def _sizes(self, network):
        multiply_adds = total(count(network)).multiply_adds
        return {**parameters(network, self.layers), "multiply_adds": multiply_adds}

    def _channels(self, stages, network):
        """What is said of the channels once some were pruned."""
        if structure.CHANNELS not in [stage.layer for stage in stages]:
            return {}
        # Of the network that the run began with.
        whole = self.folder.metrics(0)["parameters"]
        kept = parameters(network, self.layers)["parameters_kept"]
        facts = {"compression_ratio": kept / whole}
        if stages[-1].layer == structure.CHANNELS:
            channels = read_json(self.folder.training(stages[-1].number, CHANNELS))
            facts["channels"] = {name: len(numbers) for name, numbers in channels.items()}
        return facts

    def _tested(self, path, network, model, width=1.0):
        return tested(self.data, network, model, os.path.join(path, scores_file(width)))
