"""Training speed of --precision=auto against float32, and the accuracy that both reach.

    python benchmarks/precision.py [--seeds=3]

Speed: the network of Table 1 on a random mini-batch of 64 pairs, both precisions by turns; the
ratio is that of the medians (goal: >= 3 on a processor with AMX).
Accuracy: the study network at a quarter of the width, trained from the same seeds in both
precisions on rendered faces and verified on held-out identities; what is printed is the mean
difference with its standard error over the seeds.
"""

import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app, flags

from pipelines.files import read_json
from sparseface_tf.networks import baseline_network
from sparseface_tf.supervision.signals import signals, supervise, targets
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.precision import dtype_policy
from sparseface_tf.training.stages import Stages

TIMED = flags.DEFINE_integer("timed_steps", 6, "Timed mini-batches of each precision.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Trained networks of each precision; 0: speed only.")
STEPS = flags.DEFINE_integer("steps", 400, "Mini-batches that each is trained for.")


def training_step(policy):
    """A function that trains one mini-batch and waits for its end."""
    keras.config.set_dtype_policy(policy)
    model = supervise(baseline_network(), 1000)
    model.compile(keras.optimizers.AdamW(1e-5), jit_compile=False, **signals(model))
    images = np.random.default_rng(1).normal(size=(128, 112, 96, 3)).astype("float32")
    images, y = targets(model)(images, np.arange(128) // 2)
    return lambda: float(model.train_on_batch(images, y)[0])


def speeds(policies):
    """Median images/s of a training step in each precision, measured by turns."""
    steps = [training_step(policy) for policy in policies]
    times = [[] for _ in steps]
    for number in range(TIMED.value + 2):
        for step, taken in zip(steps, times):
            start = time.perf_counter()
            step()
            if number >= 2:  # the first ones compile
                taken.append(time.perf_counter() - start)
    return [128 / statistics.median(taken) for taken in times]


def accuracy(policy, seed):
    """Accuracy on pairs of held-out identities after a short training."""
    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        stages = Stages(
            Experiment.of(
                study=True,
                width=48,
                width_multiplier=0.25,
                dropout_5b=0.1,
                dropout_f=0.2,
                steps=STEPS.value,
                precision=policy,
                seed=seed,
                output=os.path.join(folder, "run"),
            )
        )
        with stages:
            stages.prepare()
            stages.run()
        metrics = read_json(os.path.join(folder, "run", "stage0", "metrics.json"))
    return metrics["verification"]["held_out"]["accuracy"]


def main(_):
    fast = dtype_policy("auto")
    if fast == "float32":
        print("--precision=auto is float32 on this machine: there is nothing to compare.")
        return
    measured = speeds(["float32", fast])
    for policy, speed in zip(["float32", fast], measured):
        print(f"{policy:15s} {speed:.0f} images/s")
    print(f"ratio {measured[1] / measured[0]:.2f} (goal with AMX: at least 3)")
    if SEEDS.value:
        reached = np.array(
            [[accuracy(p, seed) for p in ("float32", fast)] for seed in range(SEEDS.value)]
        )
        difference = reached[:, 1] - reached[:, 0]
        error = difference.std(ddof=1) / np.sqrt(len(difference)) if SEEDS.value > 1 else np.nan
        print(f"held-out accuracy float32 {reached[:, 0].mean():.4f}, {fast} ", end="")
        print(f"{reached[:, 1].mean():.4f}: difference {difference.mean():+.4f} ± {error:.4f}")


if __name__ == "__main__":
    app.run(main)
