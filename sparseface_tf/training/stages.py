"""The learning algorithm of Table 2: train N_0, then sparsify one layer more and re-train.

A stage may prune channels of all layers instead, and train at several widths from then on.
"""

import contextlib
import os
import shutil

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from pipelines.faces.reasons import reading
from pipelines.files import read_json, write_json, write_text
from sparseface_tf.runs.folder import CHANNELS, CHECKPOINT, TABLE, RunFolder
from sparseface_tf.training import seeds, structure
from sparseface_tf.training.building import new_network, supervised, without_channels
from sparseface_tf.training.checkpoint import load_checkpoint
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.precision import dtype_policy
from sparseface_tf.training.results import Results
from sparseface_tf.training.run_data import RunData
from sparseface_tf.training.selection import Selection, start_anew
from sparseface_tf.training.stage_training import StageTraining
from sparseface_tf.training.table import stage_table


class Stages:
    """One run: data, network, and the stages of an `Experiment`, each in a folder of its own.

    `prepare` checks everything that a user may have got wrong, before the first thing is
    trained; `run` trains what is not finished yet. In between the folder is this process' own; it
    is given free at the end of a `with` block, or by `close`.

    Args:
        experiment: an `Experiment`.
        opened: dict that keeps the images that were opened and checked, for further runs on them.
    """

    def __init__(self, experiment: Experiment, opened: dict | None = None):
        self.experiment = experiment
        self.folder = RunFolder(experiment.run.output)
        self.stages = experiment.stages()
        self.data = RunData(
            experiment.data,
            region=experiment.region(),
            augmentation=experiment.augmentation.made(),
            pairs=experiment.schedule.pairs,
            seed=experiment.run.seed,
            output=experiment.run.output,
            opened=opened,
        )
        self._claim = contextlib.ExitStack()

    def __enter__(self) -> "Stages":
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Gives the folder free."""
        self._claim.close()

    def prepare(self) -> None:
        """Claims the output folder, opens the data and builds the network.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        experiment = self.experiment
        experiment.check()
        keras.utils.set_random_seed(experiment.run.seed)
        if experiment.run.deterministic:
            tf.config.experimental.enable_op_determinism()
        keras.config.set_dtype_policy(dtype_policy(experiment.run.precision))
        # The network before the data: its mistakes show in a second.
        self.network = self._new_network()
        self._check_blocks()
        self.data.open()
        experiment.check_same(self.folder)
        self._claim.enter_context(self.folder.claimed(experiment.description()))
        experiment.check_same(self.folder)  # another process may have begun meanwhile
        self.data.check()
        self.model = self._supervised(self.network)
        self._check_space()
        logging.info("%s; %s.", self.data.summary(), keras.config.dtype_policy().name)

    def run(self) -> str:
        """Trains the stages that are not finished, and writes the table.

        Returns:
            The table, a string that ends with a newline.

        Raises:
            OSError: if an image cannot be read any more, or a file not be written.
        """
        with reading():
            return self._run()

    def _run(self):
        for stage in self.stages:
            if stage.layer == structure.CHANNELS:
                self._prune(stage)
            if not self.folder.finished(stage.number):
                self._train(stage)
            elif not self.folder.finished(stage.number + 1):
                # The last one that is finished; others go on from it.
                load_checkpoint(self.folder.stage(stage.number, CHECKPOINT), self.model)
        table = stage_table([self.folder.metrics(stage.number) for stage in self.stages])
        write_text(self.folder.file(TABLE), table)
        return table

    def _new_network(self):
        experiment = self.experiment
        return new_network(experiment.network, self.data.region, experiment.normalization())

    def _supervised(self, network):
        experiment, identities = self.experiment, len(self.data.training.identities)
        return supervised(
            network, experiment.network.dropout_f, experiment.supervision, identities
        )

    def _check_blocks(self):
        block = self.experiment.sparsity.block
        for stage in self.stages:
            if stage.masked:
                inputs = self.network.get_layer(stage.layer).kernel.shape[-2]
                if inputs % block:
                    raise ValueError(
                        f"--block={block} does not divide the {inputs} inputs of {stage.layer}."
                    )

    def _check_space(self):
        # A model, its masks and a finished checkpoint a stage, and one with momenta on the way.
        weights = sum(int(np.prod(v.shape)) for v in self.model.variables)
        needed = 4 * weights * (2 * len(self.stages) + 6)
        free = shutil.disk_usage(self.folder.path).free
        if free < needed:
            raise OSError(
                f"{self.folder.path} has {free / 1e9:.1f} GB of free space and the run "
                f"needs about {needed / 1e9:.1f} GB: make room or choose another --output."
            )

    def _prune(self, stage):
        """Takes channels away from the network: those that the stage has noted, if it has begun."""
        channels, number = self.experiment.channels, stage.number
        place = self.folder.stage if self.folder.finished(number) else self.folder.training
        path = place(number, CHANNELS)
        if not os.path.exists(path):
            kept = stage.criterion.keep(
                self.network,
                stage.density,
                channels.prune_threshold,
                multiple=channels.channel_multiple,
                seed=seeds.of_stage(self.experiment.run.seed, number, seeds.SELECTION),
            )
            self.folder.begin(number)
            write_json(path, {name: numbers.tolist() for name, numbers in kept.items()})
        self.network, self.model = without_channels(
            self.network, self.model, read_json(path), channels.freeze
        )

    def _train(self, stage):
        """Trains a stage, or what is left of it, and finishes it."""
        experiment, data, number = self.experiment, self.data, stage.number
        images = len(data.training)
        lengths = [
            experiment.schedule.length(images, retrains=each.retrains) for each in self.stages
        ]
        training = StageTraining(
            stage,
            self.folder,
            data,
            supervision=experiment.supervision,
            schedule=experiment.schedule,
            run=experiment.run,
            lengths=lengths,
        )
        selection = Selection(
            stage,
            self.folder,
            data,
            experiment.sparsity,
            seed=experiment.run.seed,
            pairs=experiment.schedule.pairs,
        )

        def select(model, start, writer):
            return selection.callback(
                self.network,
                model,
                steps=training.steps,
                first=training.first,
                start=start,
                writer=writer,
                done=lambda: self._start_anew(stage) if stage.from_scratch else None,
            )

        trained = training.run(
            self.network,
            self.model,
            channel_multiple=experiment.channels.channel_multiple,
            data_service=experiment.data.data_service,
            select=select if stage.masked else None,
        )
        chosen = selection.facts(self.network) if stage.masked else {}
        results = Results(
            self.folder, data, experiment.network.layers, experiment.channels.channel_multiple
        )
        results.finish(self.stages[: number + 1], self.network, self.model, {**trained, **chosen})

    def _start_anew(self, stage):
        """Gives the network new weights under its masks, drawn as a dense network's are.

        They are others than N_0 began with: those had been trained into the network that the
        masks were chosen on.
        """
        keras.utils.set_random_seed(
            seeds.of_stage(self.experiment.run.seed, stage.number, seeds.NEW_WEIGHTS)
        )
        anew = self._supervised(self._new_network())
        start_anew(
            self.model, [each.layer for each in self.stages[: stage.number + 1] if each.masked], anew
        )
