"""How long a reproduction takes: mini-batches counted, and one of each network measured."""

import time

import keras
import numpy as np

from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.supervision import signals, targets
from sparseface_tf.training.building import new_network, supervised
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.precision import dtype_policy
from sparseface_tf.training.session import own_session

# Of the mini-batches that are measured, after the one that builds the graph.
_MEASURED = 3


def duration(wanted: list[tuple[Chain, int]], settings: Experiment) -> float:
    """Seconds that training takes on this machine, at least.

    Left out is what comes on top: reading and checking images, choosing connections, tests.

    Args:
        wanted: (chain, seed) of the networks that are to be trained.
        settings: `Experiment` of the scale.

    Raises:
        ValueError, OSError: if the faces cannot be opened, with one line.
    """
    faces = settings.data.open_faces(settings.run.seed)
    people, held_out = len(faces.identities), settings.data.held_out
    share = held_out if held_out < 1 else held_out / people
    images, people = round(len(faces) * (1 - share)), max(2, round(people * (1 - share)))
    measured: dict[str, float] = {}
    total = 0.0
    for chain, seed in wanted:
        experiment = chain.experiment(settings, seed, settings.run.output)
        if chain.network not in measured:
            measured[chain.network] = _seconds_a_step(experiment, people)
        retrains = bool(chain.stages) and not chain.from_scratch
        total += measured[chain.network] * experiment.schedule.length(images, retrains=retrains)
    return total


@own_session()
def _seconds_a_step(experiment, identities):
    """Seconds of a mini-batch of the dense network, without making its images."""
    keras.config.set_dtype_policy(dtype_policy(experiment.run.precision))
    region = experiment.region()
    network = new_network(experiment.network, region, experiment.normalization())
    model = supervised(
        network, experiment.network.dropout_f, experiment.supervision, identities
    )
    model.compile(
        optimizer=experiment.schedule.stage_optimizer(model, 1000, retrains=False),
        **signals(
            model,
            verification_weight=experiment.supervision.verification_weight,
            branch_weight=experiment.supervision.branch_weight,
            identification=experiment.supervision.identification_loss(),
            centre_weight=experiment.supervision.centre_weight,
        ),
    )
    generator, size = np.random.default_rng(0), 2 * experiment.schedule.pairs
    shape = (size, region.height, region.width, region.channels)
    images = generator.uniform(-1, 1, shape).astype(np.float32)
    batch = targets(model)(images, generator.integers(0, identities, size).astype(np.int32))
    times = []
    for _ in range(1 + _MEASURED):
        start = time.perf_counter()
        model.train_on_batch(*batch)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def told_duration(seconds: float) -> str:
    """A duration in words, such as "7 hours" or "2 days"."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= 1.5 * length or unit == "second":
            number = max(1, round(seconds / length))
            return f"{number:,} {unit}{'s' * (number > 1)}"
    raise AssertionError
