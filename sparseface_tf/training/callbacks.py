"""What happens around the mini-batches of a stage, as Keras callbacks.

They count mini-batches of the stage, from `start` where a run is resumed in its middle; a stage is
one epoch of `fit`.
"""

import glob
import json
import math
import os
import time

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from sparseface_tf.criteria.base import MaskCallback
from sparseface_tf.criteria.correlation import Correlation
from sparseface_tf.matching.verification import best_threshold
from sparseface_tf.replicas import check_one_replica
from sparseface_tf.runs.folder import HISTORY, LOGS, best_file
from sparseface_tf.training.checkpoint import load_checkpoint, save_checkpoint
from sparseface_tf.training.logs import cut_events, cut_history


class CorrelationMaskCallback(MaskCallback):
    """Sparsifies a layer at the start of training, by neural correlations (Sec. 4.1).

    Args:
        layer: name of the layer, one of sparseface_tf.layers; training with another layer ends with a
            ValueError before an image is read.
        density: the fraction of its weights kept, in (0, 1].
        images: held-out images, an array or a re-iterable of batches.
        lam: share kept from the upper half of the correlations.
        block: 1, or 4 to keep whole runs of four inputs.
        seed: integer seed of the sampling.
        memory_limit: bytes for the statistics.
        progress: show a progress bar.

    Attributes:
        correlations: after the start, the layer's correlations in the model before.
        mask: after the start, the mask that was assigned.
    """

    def __init__(
        self,
        layer,
        density,
        images,
        lam=0.75,
        block=1,
        seed=0,
        memory_limit=2**31,
        progress=True,
    ):
        criterion = Correlation(lam=lam, memory=memory_limit / 2**20)
        super().__init__(
            criterion, layer, density, images, block=block, seed=seed, progress=progress
        )

    @property
    def correlations(self):
        return self.scores


class MarginCallback(keras.callbacks.Callback):
    """Sets the margins of the verification signals from the data.

    DeepID2 takes the distance that parts same from different training pairs with the fewest
    errors, and takes it anew now and then while the features change.

    Args:
        batches: function from a number of a mini-batch to an iterable of training batches
            (images, identities); the same number always gives the same batches.
        every: mini-batches between two updates; the first is at the start.
        start: number of the mini-batch at which training starts.
    """

    def __init__(self, batches, every, start=0):
        super().__init__()
        self.batches, self.every, self.step = batches, every, start

    def on_train_begin(self, logs=None):
        check_one_replica(self.model, "A margin from the data")
        if self.step == 0:
            self._update()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % self.every == 0:
            self._update()

    def _update(self):
        _sync(self.model)
        same, distances = [], {}
        for images, identities in self.batches(self.step):
            pairs = np.reshape(identities, (-1, 2))
            same.append(pairs[:, 0] == pairs[:, 1])
            for name, output in self.model.predict_on_batch(images).items():
                if name.endswith("_pairs"):
                    distances.setdefault(name, []).append(output[:, 0])
        same = np.concatenate(same)
        for name, parts in distances.items():
            margin = -best_threshold(-np.concatenate(parts), same)
            self.model.get_layer(name).margin.assign(max(margin, 0.0))


class CheckpointCallback(keras.callbacks.Callback):
    """Saves model, optimizer and position now and then and at the end, atomically.

    Args:
        path: file, .npz.
        minutes: time between two; 0: not by time.
        every: mini-batches between two; 0: not by their number.
        start: number of the mini-batch at which training starts.
        seconds: how long the stage had trained then.
        stopping: the `EarlyStoppingCallback` whose position is saved too, or None.
    """

    def __init__(self, path, minutes=1.0, every=0, start=0, seconds=0.0, stopping=None):
        super().__init__()
        self.path, self.minutes, self.every, self.stopping = path, minutes, every, stopping
        self.step = self.saved = start
        self.clock = time.monotonic()
        self.began = self.clock - seconds

    @property
    def seconds(self):
        """Seconds this stage has trained, those before an interruption included."""
        return time.monotonic() - self.began

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        late = self.minutes and time.monotonic() - self.clock >= 60 * self.minutes
        if late or (self.every and self.step % self.every == 0):
            self._save()

    def on_train_end(self, logs=None):
        # So that a crash while the stage is tested costs no training.
        if self.saved != self.step:
            self._save()

    def _save(self):
        _sync(self.model)
        for variable in self.model.trainable_variables:
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                raise FloatingPointError(
                    f"Training diverges: weights of {variable.path} are not finite after mini-batch "
                    f"{self.step}; take a lower --learning_rate, and another --output"
                )
        numbers = {"step": self.step, "seconds": self.seconds}
        if self.stopping:
            numbers |= self.stopping.position()
        save_checkpoint(self.path, self.model, self.model.optimizer, **numbers)
        self.saved, self.clock = self.step, time.monotonic()
        if self.stopping:
            self.stopping.forget()


class EarlyStoppingCallback(keras.callbacks.Callback):
    """Ends a stage that becomes no better, and goes back to where it was best.

    Args:
        accuracy: function without arguments that measures the model that is trained, higher for
            better.
        path: file for the best weights, .npz; the number of their mini-batch is put before the
            ending, as the last checkpoint may still speak of others.
        every: mini-batches between two measurements.
        patience: measurements without a better one after which training ends.
        start: number of the mini-batch at which training starts.
        position: what `position` gave when the checkpoint that it starts from was written.

    Attributes:
        best: the highest accuracy; -inf before the first measurement.
        best_step: number of mini-batches after which it was measured.
    """

    def __init__(self, accuracy, path, every, patience, start=0, position=None):
        super().__init__()
        self.accuracy, self.every, self.patience = accuracy, every, patience
        self.weights = os.fspath(path)
        position = position or {}
        self.step = start
        self.best = position.get("best", -np.inf)
        self.best_step = position.get("best_step", 0)

    @property
    def done(self):
        """Whether training is over."""
        return self.step - self.best_step >= self.patience * self.every > 0

    @property
    def path(self):
        """File of the best weights."""
        return best_file(self.weights, self.best_step)

    def position(self):
        """What has to be known to go on from here, a dict of numbers."""
        return {"best": self.best, "best_step": self.best_step}

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % self.every:
            return
        _sync(self.model)
        accuracy = self.accuracy()
        logging.info("Mini-batch %d: held-out accuracy %.4f.", self.step, accuracy)
        if accuracy > self.best:
            self.best, self.best_step = accuracy, self.step
            save_checkpoint(self.path, self.model)
        self.model.stop_training = self.done

    def forget(self):
        """Removes weights that were best once; the last checkpoint must not speak of them."""
        folder, name = os.path.split(self.weights)
        for path in glob.glob(os.path.join(glob.escape(folder), best_file(name, "*"))):
            if path != self.path:
                os.unlink(path)

    def restore(self, model):
        """Gives the model its best weights; returns `position`, {} if nothing was measured."""
        if not self.best_step:
            return {}
        load_checkpoint(self.path, model)
        return self.position()


class LogCallback(keras.callbacks.Callback):
    """Losses every so many mini-batches: JSON lines, TensorBoard scalars, and a progress bar.

    A loss that is no number ends training with a FloatingPointError.

    Args:
        folder: where history.jsonl and TensorBoard's files go. What they say of mini-batches after
            `start`, written by a run that was killed before its next checkpoint, is removed.
        title: what the bar says in front.
        steps: mini-batches of the stage.
        images: images in a mini-batch.
        every: mini-batches that one line of history averages.
        start: number of the mini-batch at which training starts.
        later: mini-batches of the stages that follow, for the time that is left.
    """

    def __init__(self, folder, title, steps, images, every, start=0, later=0):
        super().__init__()
        self.path = os.path.join(folder, HISTORY)
        self.last = cut_history(self.path, start)
        cut_events(os.path.join(folder, LOGS), start)
        self.writer = tf.summary.create_file_writer(os.path.join(folder, LOGS))
        self.title, self.steps, self.images = title, steps, images
        self.every, self.step, self.later = every, start, later

    def on_train_begin(self, logs=None):
        self.bar = tqdm.tqdm(
            desc=self.title,
            total=self.steps * self.images,
            initial=self.step * self.images,
            unit="image",
            unit_scale=True,
            dynamic_ncols=True,
            smoothing=0.1,
        )
        self.clock, self.counted = time.monotonic(), 0
        self.began, self.start = self.clock, self.step

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.counted += 1
        self.bar.update(self.images)
        if self.step % self.every and self.step != self.steps:
            return
        seconds = time.monotonic() - self.clock
        _sync(self.model)
        values = {name: float(value) for name, value in logs.items()}
        values["learning_rate"] = float(self.model.optimizer.learning_rate)
        values["images_per_second"] = self.counted * self.images / seconds
        for layer in self.model.layers:
            if hasattr(layer, "margin"):
                values[f"{layer.name}_margin"] = float(layer.margin)
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(
                f"Training diverges: the loss is {values['loss']} by mini-batch {self.step} of "
                f"{self.steps}; take a lower --learning_rate, and another --output"
            )
        self.last = {"step": self.step, **values}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(self.last) + "\n")
        with self.writer.as_default(step=self.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self.bar.set_postfix_str(self._told(values))
        # So that the next line averages its own mini-batches only.
        self.model.reset_metrics()
        self.clock, self.counted = time.monotonic(), 0

    def _told(self, values):
        """What the bar says behind: of the mini-batches since the last line, and of the whole run."""
        told = [f"loss {values['loss']:.3f}"]
        if "f_identity_accuracy" in values:
            told.append(f"{values['f_identity_accuracy']:.1%} of training images identified")
        if self.later:
            pace = (time.monotonic() - self.began) / (self.step - self.start)
            left = pace * (self.steps - self.step + self.later)
            told.append(f"whole run: {tqdm.tqdm.format_interval(left)} left")
        return ", ".join(told)

    def on_train_end(self, logs=None):
        self.bar.close()
        self.writer.flush()


def _sync(model):
    """Brings the variables up to date; JAX keeps them elsewhere while `fit` runs."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()
