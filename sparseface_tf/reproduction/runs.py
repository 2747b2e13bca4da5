"""The runs of all chains and seeds: where they lie, what is finished, and training the rest."""

import contextlib
import json
import os
import shutil

import numpy as np

from pipelines.files import remove_partial, write_folder, write_json
from sparseface_tf.reproduction.chains import OWN
from sparseface_tf.runs.folder import HISTORY, MASKS, SETTINGS, RunFolder, scores_file
from sparseface_tf.sparsify.packing import load_masks
from sparseface_tf.training.session import own_session
from sparseface_tf.training.stages import Stages


class Runs:
    """The folder of a reproduction: FOLDER/seed0/dense, FOLDER/seed0/1_256-f, …

    Each is a run as train.py leaves it. Stages that a shorter chain has trained are there as hard
    links, so that every network is trained once a seed.

    Args:
        folder: of all runs.
        seeds: the seeds that are asked for, a sequence of integers.
    """

    def __init__(self, folder, seeds):
        self.folder, self.seeds = os.path.expanduser(folder), seeds
        self._opened = {}

    def of_seed(self, seed):
        """Path of the folder of a seed's runs."""
        return os.path.join(self.folder, f"seed{seed}")

    def of(self, chain, seed):
        """Path of a run's folder."""
        return os.path.join(self.of_seed(seed), chain.name)

    def folder_of(self, chain, seed):
        """`RunFolder` of a run."""
        return RunFolder(self.of(chain, seed))

    def stage(self, chain, seed, *names):
        """Folder of the last stage of a chain, or a file in it."""
        return self.folder_of(chain, seed).stage(len(chain.stages), *names)

    def finished(self, chain, seed):
        """Whether the network at a chain's end is there."""
        return self.folder_of(chain, seed).finished(len(chain.stages))

    def begun(self, chain, seed):
        """Whether the training of the network at a chain's end has left something to go on from."""
        return self.folder_of(chain, seed).begun(len(chain.stages))

    def seeds_of(self, chain):
        """The seeds, of those asked for, whose network is finished, a list."""
        return [seed for seed in self.seeds if self.finished(chain, seed)]

    def settings(self, chain, seed):
        """The settings of a run, a dict."""
        return self.folder_of(chain, seed).settings()

    def metrics(self, chain, seed):
        """What a finished network's metrics.json holds, a dict."""
        return self.folder_of(chain, seed).metrics(len(chain.stages))

    def answers(self, chain, seed, test, width=1.0):
        """What a finished network says, pair by pair or image by image.

        Args:
            chain, seed: of the network.
            test: "test", "held_out" or "training", of pairs; or "classification", of images.
            width: share of its channels, one that it was trained at.

        Returns:
            Dict of arrays, as `sparseface_tf.stage_accuracy.tested` writes them; empty if the
            network was not tested so.
        """
        with np.load(self.stage(chain, seed, scores_file(width))) as arrays:
            names = [name for name in arrays.files if name.startswith(f"{test}/")]
            return {name.partition("/")[2]: arrays[name] for name in names}

    def connections(self, chain, seed):
        """Inputs that a neuron of the last sparse layer keeps on average, and has in all."""
        stage = chain.stages[-1].partition(":")[0]
        mask = load_masks(self.stage(chain, seed, MASKS))[stage.rpartition("-")[2]]
        # Axes before the inputs are the positions of a locally connected layer.
        neurons = mask.shape[-1] * (mask.shape[0] * mask.shape[1] if mask.ndim == 6 else 1)
        return np.count_nonzero(mask) / neurons, mask.size // neurons

    def history(self, chain, seed):
        """Losses along the training of the last stage, a list of dicts."""
        with open(self.stage(chain, seed, HISTORY), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def untidy(self, chain, seed):
        """Whether a kill has left something in a finished run; others are only read."""
        names = os.listdir(self.of(chain, seed))
        return any(name.endswith((".training", ".partial")) for name in names)

    def tidy_run(self, chain, seed):
        """Removes what a kill has left in a finished run, which is not claimed for training again."""
        with self.folder_of(chain, seed).claimed(None):
            pass

    def tidy(self):
        """Removes what a kill has left unfinished beside the runs, when nobody else is at work."""
        for folder in (self.folder, *(self.of_seed(seed) for seed in self.seeds)):
            if os.path.isdir(folder):
                remove_partial(folder)

    def check(self, chain, seed, settings):
        """Raises ValueError if the run is there with other settings."""
        experiment = chain.experiment(settings, seed, self.of(chain, seed))
        experiment.check()
        experiment.check_same(self.folder_of(chain, seed))

    def check_alike(self, finished):
        """Raises ValueError if runs differ in more than the rows of a table do.

        Args:
            finished: list of (chain, seed).
        """
        first = None
        for chain, seed in finished:
            settings = self.settings(chain, seed)
            settings = {name: settings[name] for name in settings if name not in OWN | {"seed"}}
            # Networks may take the same region in different sizes.
            settings["regions"] = {
                name: value
                for name, value in settings["regions"].items()
                if name not in ("height", "width")
            }
            first = first or settings
            if settings != first:
                differing = [name for name in settings if settings[name] != first.get(name)]
                raise ValueError(
                    f"{self.of(chain, seed)} was trained with another --{differing[0]} than "
                    f"{self.of(*finished[0])}: tables are of runs that are alike."
                )

    def train(self, chain, seed, settings):
        """Trains the last stage of a chain, those before it being finished.

        Args:
            chain: a `Chain`.
            seed: integer.
            settings: `Experiment` of the scale.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        experiment = chain.experiment(settings, seed, self.of(chain, seed))
        if not self.folder_of(chain, seed).exists():
            if chain.before() is not None:
                self.check(chain.before(), seed, settings)
            self._begin(chain, seed, experiment)
        with own_session(), self.prepared(experiment) as stages:
            stages.run()

    @contextlib.contextmanager
    def prepared(self, experiment):
        """Context of the `Stages` of a run, prepared; images are checked once for all runs."""
        with Stages(experiment, self._opened) as stages:
            stages.prepare()
            yield stages

    def _begin(self, chain, seed, experiment):
        """Makes the folder of a run, with the stages that the chain before it has finished.

        A kill leaves no half of them: the folder gets its name when it is whole.
        """

        def write(path):
            os.mkdir(path)
            write_json(os.path.join(path, SETTINGS), experiment.description())
            before = chain.before()
            if before is not None:
                source = self.folder_of(before, seed)
                for number in range(len(chain.stages)):
                    target = os.path.join(path, os.path.basename(source.stage(number)))
                    shutil.copytree(source.stage(number), target, copy_function=_link)

        os.makedirs(self.of_seed(seed), exist_ok=True)
        write_folder(experiment.run.output, write)


def _link(source, target):
    """A hard link, or a copy where there is none. Runs replace finished files, never edit them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
