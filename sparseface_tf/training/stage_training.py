"""The training of one stage, from its first mini-batch or from a checkpoint to its last."""

import os

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from pipelines.batches.batches import served
from sparseface_tf.channels.widths import at_widths
from sparseface_tf.runs.folder import BEST, CHECKPOINT
from sparseface_tf.supervision import signals, targets
from sparseface_tf.training.callbacks import (
    CheckpointCallback,
    EarlyStoppingCallback,
    LogCallback,
    MarginCallback,
)
from sparseface_tf.training.checkpoint import load_checkpoint
from sparseface_tf.training.stage_accuracy import held_out_accuracy


class StageTraining:
    """Trains one stage of a run and leaves checkpoints and a history in its training folder.

    Args:
        stage: a `Stage`.
        folder: `RunFolder`.
        data: `RunData`.
        supervision: `settings.Supervision`.
        schedule: `settings.Schedule`.
        run: `settings.Run`, which says when there are checkpoints.
        lengths: mini-batches of each stage of the run. Every stage draws from its own stretch of
            the endless sequence of mini-batches.
    """

    def __init__(self, stage, folder, data, *, supervision, schedule, run, lengths):
        self.stage, self.folder, self.data = stage, folder, data
        self.supervision, self.schedule, self.settings = supervision, schedule, run
        self.first, self.steps = sum(lengths[: stage.number]), lengths[stage.number]
        self.later, self.stages = sum(lengths[stage.number + 1 :]), len(lengths)

    def run(self, network, model, *, channel_multiple=1, data_service="", select=None):
        """Trains what is left of the stage.

        Args:
            network, model: of the run, with the weights that the stage begins with.
            channel_multiple: of `at_widths`.
            data_service: address of a tf.data service, or "".
            select: function of (model, start, writer) that gives the callback which drops
                connections; None if there are none to drop.

        Returns:
            Dict of what metrics.json says of the training: "steps", "seconds", "last", and with
            patience "best" and "best_step".
        """
        self.folder.begin(self.stage.number)
        if len(self.stage.widths) > 1:
            model = at_widths(model, self.stage.widths, channel_multiple)
        position = self._compiled(model)
        start = position["step"]
        if start:
            logging.info(
                "Resuming stage %d at mini-batch %d of %d.", self.stage.number, start, self.steps
            )
        else:
            logging.info("Starting stage %d, of %d mini-batches.", self.stage.number, self.steps)
        log, stopping, checkpoint = self._callbacks(network, position)
        # Order: what changes the model, then what saves it.
        callbacks = [log, stopping, checkpoint] if self.schedule.patience else [log, checkpoint]
        if self.supervision.margin == "data":
            callbacks.insert(0, MarginCallback(self._margin_batches, self.supervision.margin_steps, start))
        # What selects at once has done so before the first checkpoint.
        if select and (start == 0 or not self.stage.criterion.one_shot):
            callbacks.insert(0, select(model, start, log.writer))
        if start < self.steps and not stopping.done:
            self._fit(model, start, log.writer, callbacks, data_service)
        trained = {"steps": checkpoint.step, "seconds": checkpoint.seconds, "last": log.last}
        if self.schedule.patience:
            trained |= stopping.restore(model)
        return trained

    def _compiled(self, model):
        """Compiles a model; from a checkpoint, if there is one. Returns its position."""
        model.compile(
            optimizer=self.schedule.stage_optimizer(
                model, self.steps, retrains=self.stage.retrains
            ),
            jit_compile=keras.backend.backend() == "jax",
            **signals(
                model,
                verification_weight=self.supervision.verification_weight,
                branch_weight=self.supervision.branch_weight,
                identification=self.supervision.identification_loss(),
                centre_weight=self.supervision.centre_weight,
            ),
        )
        # Only now it is the optimizer that trains: float16 wraps it for the scaling of the loss.
        model.optimizer.build(model.trainable_variables)
        _make_metrics(model)
        path = self.folder.training(self.stage.number, CHECKPOINT)
        if not os.path.exists(path):
            return {"step": 0, "seconds": 0.0}
        return load_checkpoint(path, model, model.optimizer)

    def _callbacks(self, network, position):
        start, pairs = position["step"], self.schedule.pairs
        number, title = self.stage.number, self.stage.title.rpartition(" ")[2]
        anew = ", from scratch" if self.stage.from_scratch else ""
        log = LogCallback(
            self.folder.training(number),
            f"stage {number} ({number + 1} of {self.stages}): {title}{anew}",
            self.steps,
            2 * pairs,
            every=min(20, max(1, self.steps // 10)),
            start=start,
            later=self.later,
        )
        stopping = EarlyStoppingCallback(
            lambda: held_out_accuracy(self.data, network),
            self.folder.training(number, BEST),
            max(1, len(self.data.training) // (2 * pairs)),
            self.schedule.patience,
            start,
            position,
        )
        checkpoint = CheckpointCallback(
            self.folder.training(number, CHECKPOINT),
            self.settings.checkpoint_minutes,
            self.settings.checkpoint_steps,
            start,
            position["seconds"],
            stopping if self.schedule.patience else None,
        )
        return log, stopping, checkpoint

    def _margin_batches(self, step):
        return self.data.pair_batches(self.first + step).take(4)

    def _fit(self, model, start, writer, callbacks, data_service):
        batches = self.data.pair_batches(self.first + start)
        if start == 0:
            with writer.as_default(step=0):
                sheets = [_contact_sheet(images) for images, _ in batches.take(3)]
                tf.summary.image("mini-batches", tf.stack(sheets))
        model.fit(
            served(batches, data_service).map(targets(model)).take(self.steps - start),
            epochs=1,
            shuffle=False,  # The batches come as they are to come.
            steps_per_epoch=self.steps - start,
            callbacks=callbacks,
            verbose=0,
        )


def _make_metrics(model):
    """Makes the variables of a model's metrics.

    Keras makes them in the first step that `fit` traces, and would have that step traced twice.
    """
    images = np.zeros((2, *model.input_shape[1:]), np.float32)
    _, identities = targets(model)(images, np.zeros(2, np.int64))
    outputs = model(images, training=False)
    model.compute_loss(images, identities, outputs, training=False)
    model.compute_metrics(images, identities, outputs)
    model.reset_metrics()


def _contact_sheet(images, columns=16):
    """A mini-batch as one picture, pairs side by side: float (rows * h, columns * w, 3), 0 … 1."""
    _, height, width, channels = images.shape
    columns = min(columns, len(images))
    whole_rows = images[: len(images) // columns * columns]
    rows = tf.reshape(whole_rows, (-1, columns, height, width, channels))
    sheet = tf.reshape(tf.transpose(rows, (0, 2, 1, 3, 4)), (-1, columns * width, channels))
    return tf.clip_by_value(sheet / 2 + 0.5, 0.0, 1.0)
