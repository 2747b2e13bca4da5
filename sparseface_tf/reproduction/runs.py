"""The runs of all chains and seeds: where they lie, what is finished, and training the rest."""

import os
import shutil

import keras

from pipelines.files import write_json
from sparseface_tf.experiment import SETTINGS
from sparseface_tf.stages import Stages


class Runs:
    """The folder of a reproduction: FOLDER/seed0/dense, FOLDER/seed0/1_256-f, …

    Each is a run as train.py leaves it. Stages that a shorter chain has trained are there as hard
    links, so that every network is trained once a seed.

    Args:
        folder: of all runs.
    """

    def __init__(self, folder):
        self.folder = os.path.expanduser(folder)
        self._opened = {}

    def of(self, chain, seed):
        """Folder of a run."""
        return os.path.join(self.folder, f"seed{seed}", chain.name)

    def stage(self, chain, seed, *names):
        """Folder of the last stage of a chain, or a file in it."""
        return os.path.join(self.of(chain, seed), f"stage{len(chain.stages)}", *names)

    def finished(self, chain, seed):
        """Whether the network at a chain's end is there."""
        return os.path.exists(self.stage(chain, seed, "metrics.json"))

    def seeds(self, chain):
        """Numbers of the seeds whose network is finished, ascending."""
        folders = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        numbers = [name[4:] for name in folders if name[:4] == "seed" and name[4:].isdecimal()]
        return [seed for seed in sorted(map(int, numbers)) if self.finished(chain, seed)]

    def check(self, chain, seed, settings):
        """Raises ValueError if the run is there with other settings."""
        experiment = chain.experiment(settings, seed, self.of(chain, seed))
        experiment.check()
        path = os.path.join(experiment.output, SETTINGS)
        if os.path.exists(path):
            experiment.claim()

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
        if not os.path.exists(os.path.join(experiment.output, SETTINGS)):
            if chain.before() is not None:
                self.check(chain.before(), seed, settings)
            self._begin(chain, seed, experiment)
        self.prepared(experiment).run()

    def prepared(self, experiment):
        """`Stages` of a run, prepared; the images are checked once for all runs on them."""
        keras.backend.clear_session()
        stages = Stages(experiment, self._opened)
        stages.prepare()
        return stages

    def _begin(self, chain, seed, experiment):
        """Makes the folder of a run, with the stages that the chain before it has finished.

        A kill leaves no half of them: the folder gets its name when it is whole.
        """
        partial = os.path.join(os.path.dirname(experiment.output), f".{chain.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        write_json(os.path.join(partial, SETTINGS), experiment.description())
        before = chain.before()
        if before is not None:
            source = self.of(before, seed)
            for number in range(len(chain.stages)):
                shutil.copytree(
                    os.path.join(source, f"stage{number}"),
                    os.path.join(partial, f"stage{number}"),
                    copy_function=_link,
                )
        os.rename(partial, experiment.output)


def _link(source, target):
    """A hard link, or a copy where the file system has none. Runs replace files, never edit them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
