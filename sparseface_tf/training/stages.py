"""The learning algorithm of Table 2: train N_0, then sparsify one layer more and re-train.

A stage may prune channels of all layers instead, and train at several widths from then on.
"""

import os
import shutil

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from pipelines.batches.batches import served
from pipelines.files import read_json, write_atomically, write_json
from sparseface_tf.channels import at_width, sliced
from sparseface_tf.channels.widths import at_widths
from sparseface_tf.networks import build_network, counts
from sparseface_tf.runs import scores_file
from sparseface_tf.sparsify import (
    kept_input_correlation,
    layer_correlations,
    layer_kind,
    mean_abs_correlation,
    output_positions,
    save_masks,
)
from sparseface_tf.supervision.signals import signals, supervise, targets
from sparseface_tf.training import table as report
from sparseface_tf.training.callbacks import (
    CheckpointCallback,
    EarlyStoppingCallback,
    LogCallback,
    MarginCallback,
)
from sparseface_tf.training.checkpoint import load_checkpoint, save_checkpoint
from sparseface_tf.training.optimizers import stage_optimizer
from sparseface_tf.training.precision import dtype_policy
from sparseface_tf.training.run_data import RunData
from sparseface_tf.training.stage_accuracy import held_out_accuracy, tested
from sparseface_tf.training.structure import CHANNELS


class Stages:
    """One run: data, network, and the stages of an `Experiment`, each in a folder of its own.

    `prepare` checks everything that a user may have got wrong, before the first thing is
    trained; `run` trains what is not finished yet.

    Args:
        experiment: an `Experiment`.
        opened: dict that keeps the images that were opened and checked, for further runs on them.
    """

    def __init__(self, experiment, opened=None):
        self.experiment = experiment
        self.stages = [(None, None), *experiment.stages()]
        self.criteria = [None, *experiment.criteria()]
        self.data = RunData(experiment, {} if opened is None else opened)

    def prepare(self):
        """Claims the output folder, opens the data and builds the network.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        experiment = self.experiment
        experiment.check()
        keras.utils.set_random_seed(experiment.seed)
        if experiment.deterministic:
            tf.config.experimental.enable_op_determinism()
        keras.config.set_dtype_policy(dtype_policy(experiment.precision))
        # The network before the data: its mistakes show in a second.
        self.network = self._new_network()
        for layer, _ in self.stages[1:]:
            if layer == CHANNELS:
                continue
            inputs = self.network.get_layer(layer).kernel.shape[-2]
            if inputs % experiment.block:
                raise ValueError(
                    f"--block={experiment.block} does not divide the {inputs} inputs of {layer}."
                )
        self.data.open()
        experiment.claim()
        self.data.check()
        self.model = self._supervised(self.network)
        self._check_space()
        logging.info("%s; %s.", self.data.summary(), keras.config.dtype_policy().name)

    def _new_network(self):
        experiment = self.experiment
        region = self.data.region
        return build_network(
            experiment.network,
            (region.height, region.width, region.channels),
            width=experiment.width_multiplier,
            study=experiment.study,
            normalization=experiment.scale_settings(),
            dropout=experiment.dropout_5b,
        )

    def _supervised(self, network):
        experiment = self.experiment
        return supervise(
            network,
            len(self.data.training.identities),
            branches=experiment.branches,
            dropout=experiment.dropout_f,
            margin=1.0 if experiment.margin == "data" else float(experiment.margin),
            identification=experiment.identification,
            centre_rate=experiment.centre_rate if experiment.centre_weight else None,
        )

    def _check_space(self):
        # A model, its masks and a finished checkpoint a stage, and one with momenta on the way.
        weights = sum(int(np.prod(v.shape)) for v in self.model.variables)
        needed = 4 * weights * (2 * len(self.stages) + 6)
        free = shutil.disk_usage(self.experiment.output).free
        if free < needed:
            raise OSError(
                f"{self.experiment.output} has {free / 1e9:.1f} GB of free space and the run "
                f"needs about {needed / 1e9:.1f} GB: make room or choose another --output."
            )

    def run(self):
        """Trains the stages that are not finished, and writes the table.

        Returns:
            The table, a string that ends with a newline.
        """
        for number, (layer, _) in enumerate(self.stages):
            if layer == CHANNELS:
                self._prune(number)
            finished = os.path.exists(self._path(number, "metrics.json"))
            if not finished:
                self._train(number)
                self._finish(number)
            elif number + 1 == len(self.stages) or not os.path.exists(
                self._path(number + 1, "metrics.json")
            ):
                load_checkpoint(self._path(number, "checkpoint.npz"), self.model)
        results = [read_json(self._path(n, "metrics.json")) for n in range(len(self.stages))]
        table = report.stage_table(results)
        write_atomically(
            os.path.join(self.experiment.output, "table.md"),
            lambda file: file.write(table.encode("utf-8")),
        )
        return table

    def _prune(self, number):
        """Takes channels away from the network: those that the stage has noted, if it has begun."""
        experiment, (_, share) = self.experiment, self.stages[number]
        path = self._path(number, "channels.json")
        if not os.path.exists(path):
            kept = self.criteria[number].keep(
                self.network,
                share,
                experiment.prune_threshold,
                multiple=experiment.channel_multiple,
                seed=experiment.seed + number,
            )
            os.makedirs(self._path(number), exist_ok=True)
            write_json(path, {name: numbers.tolist() for name, numbers in kept.items()})
        self.model = sliced(self.model, read_json(path))
        feature = self.model.get_layer("feature").output
        self.network = keras.Model(self.model.input, feature, name=self.network.name)
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = not experiment.freeze
                # The penalties have done what they are for.
                layer.gamma.regularizer = layer.gamma_regularizer = None

    def _widths(self, number):
        """The widths that a stage trains together."""
        pruned = CHANNELS in [layer for layer, _ in self.stages[: number + 1]]
        return self.experiment.widths() if pruned else [1.0]

    def _path(self, number, *names):
        return os.path.join(self.experiment.output, f"stage{number}", *names)

    def _train(self, number):
        experiment, (layer, _) = self.experiment, self.stages[number]
        os.makedirs(self._path(number), exist_ok=True)
        steps = experiment.stage_steps(number, len(self.data.training))
        # Every stage draws from its own stretch of the endless sequence of mini-batches.
        first = sum(experiment.stage_steps(n, len(self.data.training)) for n in range(number))
        optimizer = stage_optimizer(experiment, number, steps)
        widths = self._widths(number)
        model = self.model
        if len(widths) > 1:
            model = at_widths(model, widths, experiment.channel_multiple)
        optimizer.build(model.trainable_variables)
        path = self._path(number, "checkpoint.npz")
        position = {"step": 0, "seconds": 0.0}
        if os.path.exists(path):
            position = load_checkpoint(path, model, optimizer)
        start = position["step"]
        if start:
            logging.info("Resuming stage %d at mini-batch %d of %d.", number, start, steps)
        model.compile(
            optimizer=optimizer,
            jit_compile=keras.backend.backend() == "jax",
            **signals(
                model,
                verification_weight=experiment.verification_weight,
                branch_weight=experiment.branch_weight,
                identification=experiment.identification_loss(),
                centre_weight=experiment.centre_weight,
            ),
        )
        log = LogCallback(
            self._path(number),
            f"stage {number}: {experiment.sparsify[number - 1] if number else 'dense'}"
            + (", from scratch" if number and not experiment.retrains(number) else ""),
            steps,
            2 * experiment.pairs,
            every=max(1, experiment.checkpoint_steps // 10),
            start=start,
        )
        stopping = EarlyStoppingCallback(
            lambda: held_out_accuracy(self.data, self.network),
            self._path(number, "best.npz"),
            max(1, len(self.data.training) // (2 * experiment.pairs)),
            experiment.patience,
            start,
            position,
        )
        checkpoint = CheckpointCallback(
            path, experiment.checkpoint_steps, start, position["seconds"], stopping.position
        )
        # Order: what changes the model, then what saves it.
        callbacks = [log, stopping, checkpoint] if experiment.patience else [log, checkpoint]
        if experiment.margin == "data":
            callbacks.insert(
                0,
                MarginCallback(
                    lambda step: self.data.pair_batches(first + step).take(4),
                    experiment.checkpoint_steps,
                    start,
                ),
            )
        masked = layer and layer != CHANNELS
        if masked and (start == 0 or not self.criteria[number].one_shot):
            selection = self._selection(number, model, steps, first, start, log.writer)
            callbacks.insert(0, selection)
        batches = self.data.pair_batches(first + start)
        if start == 0:
            with log.writer.as_default(step=0):
                sheets = [_contact_sheet(images) for images, _ in batches.take(3)]
                tf.summary.image("mini-batches", tf.stack(sheets))
        if start < steps and not stopping.done:
            model.fit(
                served(batches, experiment.data_service)
                .map(targets(model))
                .take(steps - start),
                epochs=1,
                shuffle=False,  # The batches come as they are to come.
                steps_per_epoch=steps - start,
                callbacks=callbacks,
                verbose=0,
            )
        self.trained = dict(steps=checkpoint.step, seconds=checkpoint.seconds, last=log.last)
        if experiment.patience:
            self.trained |= stopping.restore(model)

    def _selection(self, number, model, steps, first, start, writer):
        """The callback that drops a layer's connections and notes what it did."""
        experiment, criterion = self.experiment, self.criteria[number]
        layer, kept = self.stages[number]

        def note(callback):
            noted = {}
            if hasattr(callback, "forced"):
                noted["forced"] = callback.forced
            if criterion.name == "correlation":
                noted["before"] = self._mean_abs_correlation(layer, callback.scores)
            if criterion.one_shot:
                # What is below the layer is still the denser network's.
                noted["inputs_before"] = self._kept_inputs(self.model, layer)
            write_json(self._path(number, "selection.json"), noted)
            if criterion.one_shot:
                with writer.as_default(step=0):
                    tf.summary.histogram(f"{criterion.name}/{layer}", callback.scores)
                    tf.summary.histogram(f"kept/{layer}", callback.scores[callback.mask])
            if not experiment.retrains(number):
                self._start_anew(number)

        return criterion.callback(
            layer,
            kept,
            self._images_for(criterion, model, first),
            done=note,
            steps=steps,
            start=start,
            block=experiment.block,
            seed=experiment.seed + number,
            progress=True,
        )

    def _start_anew(self, number):
        """Gives the network new weights under its masks, drawn as a dense network's are.

        They are others than N_0 began with: those had been trained into the network that the
        masks were chosen on.
        """
        keras.utils.set_random_seed(self.experiment.seed * 1000 + number + 1)
        anew = self._supervised(self._new_network())
        layers = [name for name, _ in self._sparse(number)]
        masks = {name: np.asarray(self.model.get_layer(name).mask) for name in layers}
        for variable, new in zip(self.model.weights, anew.weights, strict=True):
            variable.assign(new)
        for name, mask in masks.items():
            self.model.get_layer(name).assign_mask(mask)

    def _sparse(self, number):
        """The (layer, S) that are sparse in a stage."""
        return [stage for stage in self.stages[1 : number + 1] if stage[0] != CHANNELS]

    def _images_for(self, criterion, model, first):
        """What a criterion looks at: the same images however often they are read."""
        experiment = self.experiment
        if criterion.images == "held_out":
            return self.data.correlation_images()
        if criterion.images == "training":
            # Those that the stage begins with, in order: other ones would make another mask.
            batches = max(1, experiment.correlation_images // (2 * experiment.pairs))
            batches = self.data.pair_batches(first, ordered=True).take(batches)
            return batches.map(targets(model))
        return None

    def _correlations(self, model, layer):
        return layer_correlations(
            model,
            layer,
            self.data.correlation_images(),
            memory_limit=self.experiment.correlation_memory * 2**20,
            progress=True,
        )

    def _mean_abs_correlation(self, name, correlations):
        """Mean |r| on the kept connections of a layer (Table 5)."""
        layer = self.network.get_layer(name)
        return mean_abs_correlation(
            correlations, np.asarray(layer.mask), positions=output_positions(layer)
        )

    def _kept_inputs(self, model, name):
        """Mean correlation among the inputs that a neuron keeps (Table 6); None of convolutions."""
        layer = model.get_layer(name)
        if layer_kind(layer) == "conv":
            return None
        mask = np.asarray(self.network.get_layer(name).mask)
        return kept_input_correlation(model, name, self.data.correlation_images(), mask)

    def _finish(self, number):
        """Evaluates a trained stage and leaves its model, masks and metrics."""
        layer, _ = self.stages[number]
        metrics = {
            "stage": number,
            "name": " ".join(self.experiment.sparsify[:number]) or "dense",
            "training": self.data.numbers(),
            **self.trained,
            **report.parameters(self.network, self.experiment.layers()),
        }
        metrics["multiply_adds"] = counts.total(counts.count(self.network)).multiply_adds
        if layer:
            metrics["criterion"] = str(self.criteria[number])
        if CHANNELS in [name for name, _ in self.stages[: number + 1]]:
            # Of the network that the run began with.
            whole = read_json(self._path(0, "metrics.json"))["parameters"]
            metrics["compression_ratio"] = metrics["parameters_kept"] / whole
        if layer == CHANNELS:
            kept = read_json(self._path(number, "channels.json"))
            metrics["channels"] = {name: len(numbers) for name, numbers in kept.items()}
        elif layer:
            noted = read_json(self._path(number, "selection.json"))
            metrics["selection"] = {"forced": noted["forced"]} if "forced" in noted else {}
            if not {"before", "inputs_before"} <= noted.keys():
                # Other criteria have not measured it, and some know their mask in the end only.
                before = keras.models.load_model(self._path(number - 1, "model.keras"))
                if "before" not in noted:
                    noted["before"] = self._mean_abs_correlation(
                        layer, self._correlations(before, layer)
                    )
                if "inputs_before" not in noted:
                    noted["inputs_before"] = self._kept_inputs(before, layer)
            metrics["mean_abs_correlation"] = {
                "layer": layer,
                "before": noted["before"],
                "after": self._mean_abs_correlation(layer, self._correlations(self.model, layer)),
            }
            metrics["input_correlation"] = {
                "layer": layer,
                "before": noted["inputs_before"],
                "after": self._kept_inputs(self.model, layer),
            }
        if not self.experiment.retrains(number) and number:
            metrics["from_scratch"] = True
        metrics.update(tested(self.data, self.network, self.model, self._path(number, scores_file())))
        for width in self._widths(number)[1:]:
            metrics.setdefault("levels", {})[f"{width:g}"] = self._at_width(number, width)
        self.network.save(self._path(number, "model.keras"))
        masks = {
            name: np.asarray(self.network.get_layer(name).mask)
            for name, _ in self._sparse(number)
        }
        save_masks(self._path(number, "masks.npz"), masks)
        # Without the optimizer, which the next stage begins anew.
        save_checkpoint(self._path(number, "checkpoint.npz"), self.model, step=0)
        write_json(self._path(number, "metrics.json"), metrics)

    def _at_width(self, number, width):
        """What a stage's metrics say about its network at a lower width."""
        network, model = (
            at_width(each, width, self.experiment.channel_multiple)
            for each in (self.network, self.model)
        )
        path = self._path(number, scores_file(width))
        return {
            **report.parameters(network, self.experiment.layers()),
            "multiply_adds": counts.total(counts.count(network)).multiply_adds,
            **tested(self.data, network, model, path),
        }


def _contact_sheet(images, columns=16):
    """A mini-batch as one picture, pairs side by side: float (rows * h, columns * w, 3), 0 … 1."""
    _, height, width, channels = images.shape
    columns = min(columns, len(images))
    whole_rows = images[: len(images) // columns * columns]
    rows = tf.reshape(whole_rows, (-1, columns, height, width, channels))
    sheet = tf.reshape(tf.transpose(rows, (0, 2, 1, 3, 4)), (-1, columns * width, channels))
    return tf.clip_by_value(sheet / 2 + 0.5, 0.0, 1.0)
