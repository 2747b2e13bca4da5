"""The weights of one stage: chosen as its criterion says, and what the choice means."""

import keras
import numpy as np
import tensorflow as tf

from pipelines.files import read_json, write_json
from sparseface_tf.runs.folder import MODEL, SELECTION
from sparseface_tf.sparsify import (
    kept_input_correlation,
    layer_correlations,
    layer_kind,
    mean_abs_correlation,
    output_positions,
)
from sparseface_tf.supervision import targets
from sparseface_tf.training import seeds


class Selection:
    """How a stage drops connections of its layer.

    Args:
        stage: a masked `Stage`.
        folder: `RunFolder`.
        data: `RunData`.
        sparsity: `settings.Sparsity`.
        seed: of the run.
        pairs: pairs in a mini-batch.
    """

    def __init__(self, stage, folder, data, sparsity, *, seed, pairs):
        self.stage, self.folder, self.data, self.sparsity = stage, folder, data, sparsity
        self.seed, self.pairs = seed, pairs

    def callback(self, network, model, *, steps, first, start, writer, done):
        """The callback that drops the connections and notes what it did.

        Args:
            network, model: of the run; the model as it is fitted, at all widths.
            steps, start: mini-batches of the stage, and those that are behind it.
            first: number of the stage's first mini-batch in the run.
            writer: of TensorBoard's summaries.
            done: function without arguments, called when the mask is final.
        """
        stage, criterion = self.stage, self.stage.criterion

        def note(callback):
            noted = {}
            if hasattr(callback, "forced"):
                noted["forced"] = callback.forced
            if criterion.name == "correlation":
                noted["before"] = self._mean_abs_correlation(network, callback.scores)
            if criterion.one_shot:
                # What is below the layer is still the denser network's.
                noted["inputs_before"] = self._kept_inputs(network, network)
                with writer.as_default(step=0):
                    tf.summary.histogram(f"{criterion.name}/{stage.layer}", callback.scores)
                    kept = callback.scores[callback.mask]
                    tf.summary.histogram(f"kept/{stage.layer}", kept)
            write_json(self.folder.training(stage.number, SELECTION), noted)
            done()

        return criterion.callback(
            stage.layer,
            stage.density,
            self._images(model, first),
            done=note,
            steps=steps,
            start=start,
            block=self.sparsity.block,
            seed=seeds.of_stage(self.seed, stage.number, seeds.SELECTION),
            progress=True,
        )

    def facts(self, network):
        """What metrics.json says about the choice, a dict; read when the stage is trained."""
        layer = self.stage.layer
        noted = read_json(self.folder.training(self.stage.number, SELECTION))
        facts = {"selection": {"forced": noted["forced"]} if "forced" in noted else {}}
        if not {"before", "inputs_before"} <= noted.keys():
            # Other criteria have not measured it, and some know their mask in the end only.
            before = keras.models.load_model(self.folder.stage(self.stage.number - 1, MODEL))
            if "before" not in noted:
                correlations = self._correlations(before)
                noted["before"] = self._mean_abs_correlation(network, correlations)
            if "inputs_before" not in noted:
                noted["inputs_before"] = self._kept_inputs(network, before)
        after = self._mean_abs_correlation(network, self._correlations(network))
        facts["mean_abs_correlation"] = {"layer": layer, "before": noted["before"], "after": after}
        facts["input_correlation"] = {
            "layer": layer,
            "before": noted["inputs_before"],
            "after": self._kept_inputs(network, network),
        }
        return facts

    def _images(self, model, first):
        """What the criterion looks at: the same images however often they are read."""
        images = self.stage.criterion.images
        if images == "held_out":
            return self._held_out()
        if images == "training":
            # Those that the stage begins with, in order: other ones would make another mask.
            count = max(1, self.sparsity.correlation_images // (2 * self.pairs))
            batches = self.data.pair_batches(first, ordered=True).take(count)
            return batches.map(targets(model))
        return None

    def _held_out(self):
        return self.data.correlation_images(self.sparsity.correlation_images)

    def _correlations(self, network):
        return layer_correlations(
            network,
            self.stage.layer,
            self._held_out(),
            memory_limit=self.sparsity.correlation_memory * 2**20,
            progress=True,
        )

    def _mean_abs_correlation(self, network, correlations):
        """Mean |r| on the kept connections of the layer (Table 5)."""
        layer = network.get_layer(self.stage.layer)
        return mean_abs_correlation(
            correlations, np.asarray(layer.mask), positions=output_positions(layer)
        )

    def _kept_inputs(self, network, measured):
        """Mean correlation among the inputs that a neuron keeps (Table 6); None of convolutions.

        Args:
            network: whose mask says which are kept.
            measured: the network that the inputs are measured in.
        """
        layer = network.get_layer(self.stage.layer)
        if layer_kind(layer) == "conv":
            return None
        mask = np.asarray(layer.mask)
        return kept_input_correlation(measured, self.stage.layer, self._held_out(), mask)


def start_anew(model, layers, anew):
    """Gives a model new weights under its masks.

    Args:
        model: the model.
        layers: names of the layers whose masks stay.
        anew: a model of the same structure with the new weights.
    """
    masks = {name: np.asarray(model.get_layer(name).mask) for name in layers}
    for variable, new in zip(model.weights, anew.weights, strict=True):
        variable.assign(new)
    for name, mask in masks.items():
        model.get_layer(name).assign_mask(mask)
