"""From the name of a table to the finished table: what reproduce.py does."""

import os

import tqdm

from pipelines.command_line import typed_command
from pipelines.tables import markdown_table
from sparseface_tf.criteria import load_criteria
from sparseface_tf.reproduction.chains import Chain, own_criteria
from sparseface_tf.reproduction.report import Report
from sparseface_tf.reproduction.results import Results
from sparseface_tf.reproduction.runs import Runs
from sparseface_tf.reproduction.settings import Reproduction
from sparseface_tf.runs.lock import only_process
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.structure import CHANNELS


class Reproducer:
    """One reproduction: `prepare` finds what a user may have got wrong, `run` does the work.

    Args:
        reproduction: a `Reproduction`.
        settings: the `Experiment` of the scale, its --output the folder of all runs and tables.
    """

    def __init__(self, reproduction: Reproduction, settings: Experiment) -> None:
        self.reproduction, self.settings = reproduction, settings
        self.runs = Runs(settings.run.output, range(reproduction.seeds))

    def prepare(self) -> None:
        """Checks all settings, and those of the runs that are there.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        if self.settings.sparsity.criteria_file:
            load_criteria(self.settings.sparsity.criteria_file)
            mine = [name for name in own_criteria() if name not in self.reproduction.criteria]
            self.reproduction.criteria = [*self.reproduction.criteria, *mine]
        self.reproduction.check()
        self.reproduction.check_criteria()
        self.tables = self.reproduction.tables()
        rows = [chain for table in self.tables for chain in table.chains()]
        self.chains = list(dict.fromkeys(end for chain in rows for end in chain.ends()))
        if self.reproduction.train:
            if len(self.settings.runs()) > 1:
                raise ValueError(
                    f"--region={self.settings.data.region}: the tables are of one region; give one."
                )
            if self.settings.sparsity.lam != 0.75:
                raise ValueError("--lam: the tables have 0.75, and Table 5 also 0.5 and 1.")
            self.settings.check()
            for seed in self.runs.seeds:
                for chain in self.chains:
                    self.runs.check(chain, seed, self.settings)
        self.runs.check_alike(self._finished())

    def run(self) -> None:
        """Trains what is missing, seed by seed, and writes the tables.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        os.makedirs(self.runs.folder, exist_ok=True)
        with only_process(self.runs.folder):
            self.runs.tidy()
            if self.reproduction.train:
                self._train()
            for text in self._write():
                print(text)
        print(f"The tables, with plots, are in {self.runs.folder}.")

    def plan(self) -> str:
        """What is there and what is to be trained, a Markdown table."""
        seeds = self.runs.seeds
        rows = [["network", *(f"seed {seed}" for seed in seeds)]]
        for chain in self.chains:
            rows.append([chain.title, *(self._state(chain, seed) for seed in seeds)])
        return markdown_table(rows)

    def missing(self) -> list[tuple[Chain, int]]:
        """The (chain, seed) that `run` would train; none with --notrain."""
        if not self.reproduction.train:
            return []
        wanted = [(chain, seed) for seed in self.runs.seeds for chain in self.chains]
        return [one for one in wanted if not self.runs.finished(*one)]

    def _state(self, chain, seed):
        if self.runs.finished(chain, seed):
            return "finished"
        if not self.reproduction.train:
            return "missing"
        return "to be finished" if self.runs.begun(chain, seed) else "to be trained"

    def _train(self):
        """Trains all networks of the first seed, writes the tables, then goes on to the next."""
        missing, wanted = set(self.missing()), len(self.runs.seeds) * len(self.chains)
        with tqdm.tqdm(total=wanted, unit="network", dynamic_ncols=True) as bar:
            bar.update(wanted - len(missing))
            for chain, seed in self._finished():
                if self.runs.untidy(chain, seed):
                    self.runs.tidy_run(chain, seed)
            for seed in self.runs.seeds:
                for chain in self.chains:
                    if (chain, seed) in missing:
                        bar.set_description(f"seed {seed}, {chain.title}")
                        self.runs.train(chain, seed, self.settings)
                        bar.update()
                for table in self.tables:
                    table.measure(self.runs, seed, self.settings)
                self._write()

    def _write(self):
        """Writes the tables, from the runs that are there.

        Returns:
            List of their Markdown.
        """
        command = typed_command()
        report = Report(self.runs.folder, command, self._facts())
        results = Results(self.runs, self.chains)
        return [report.write(table, table.findings(results)) for table in self.tables]

    def _facts(self):
        """(label, text) pairs on scale, data and sizes, of the runs that are there."""
        found = self._finished()
        if not found:
            return [("runs", "none is finished")]
        settings, metrics = self.runs.settings(*found[0]), self.runs.metrics(*found[0])
        connections = {}
        for chain, seed in found:
            # S = 1 are the dense networks that were re-trained.
            name = chain.stages[-1].partition(":")[0] if chain.stages else "1-f"
            if not name.startswith("1-") and not name.endswith(CHANNELS):
                kept, inputs = self.runs.connections(chain, seed)
                connections[name] = f"{name} {kept:,.0f} of {inputs:,}"
        facts = [
            ("scale", f"{self.reproduction.scale}, {metrics['parameters']:,} weights"),
            ("training faces", settings["data"]),
            ("test faces", settings["test_data"] or "pairs of held-out identities"),
            ("seeds", ", ".join(str(seed) for seed in sorted({seed for _, seed in found}))),
        ]
        if connections:
            # The same S leaves a narrower network's neurons fewer inputs than the paper's.
            facts.append(("inputs that a neuron keeps", ", ".join(connections.values())))
        return facts

    def _finished(self):
        """The (chain, seed) that are finished, a list."""
        return [(chain, seed) for chain in self.chains for seed in self.runs.seeds_of(chain)]
