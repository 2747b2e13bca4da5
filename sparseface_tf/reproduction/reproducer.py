"""From the name of a table to the finished table: what reproduce.py does."""

import dataclasses
import os

import tqdm
from absl import logging

from pipelines.command_line import setting, typed_command
from pipelines.tables import markdown_table
from sparseface_tf.criteria import criterion, load_criteria
from sparseface_tf.reproduction.chains import Chain, own_criteria
from sparseface_tf.reproduction.report import Report
from sparseface_tf.reproduction.results import Results
from sparseface_tf.reproduction.runs import Runs
from sparseface_tf.reproduction.tables import TABLES
from sparseface_tf.reproduction.tables.base import Table
from sparseface_tf.runs.lock import only_process
from sparseface_tf.training.experiment import Experiment
from sparseface_tf.training.structure import CHANNELS

# Settings of an `Experiment` that the rows of a table choose.
ROWS = ("sparsify", "criterion", "from_scratch", "network", "seed")


@dataclasses.dataclass
class Reproduction:
    """Settings of a reproduction; reproduce.py has a flag for each, beside those of train.py."""

    table: list[str] = setting([], f"What to reproduce: {', '.join(TABLES)}, or 'all'.")
    scale: str = setting(
        "study", "Size of networks, data and schedule: a flag file of flags/scale, as study.cfg."
    )
    seeds: int = setting(3, "How often everything is trained, each time from another seed.")
    yes: bool = setting(
        False, "Begin without asking, however long it takes: for scripts.",
    )
    train: bool = setting(
        True, "Train what is missing; --notrain writes the tables from the runs that are there."
    )
    criteria: list[str] = setting(
        ["obd", "magnitude", "brp", "correlation"],
        "Criteria of Table 8, as of --criterion; those of --criteria_file come on top.",
    )

    controls: bool = setting(
        True, "Table 3: re-train the dense network too, as often as each sparse one."
    )
    ijba_data: str = setting("", "IJB-A's images, for Table 9.")
    ijba_lists: str = setting("", "Folder of IJB-A's published lists. Default: --ijba_data.")
    ensemble: str = setting(
        "",
        "Folder of evaluate.py's report on networks of several regions, dense and sparse, such as "
        "flags/ensemble/regions_evaluate.cfg makes it.",
    )

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not self.table:
            raise ValueError(f"No table: give --table, of {', '.join(TABLES)}, or all.")
        for name in self.table:
            if name not in TABLES and name != "all":
                raise ValueError(f"--table={name}: choose from {', '.join(TABLES)}, or all.")
        if self.seeds < 1:
            raise ValueError(f"--seeds must be at least 1, got {self.seeds}.")
        for text in self.criteria:
            try:
                criterion(text)
            except ValueError as error:
                raise ValueError(f"--criteria={text}: {error}") from None

    def tables(self) -> list[Table]:
        """The `Table`s that are asked for, in the paper's order; of 'all', those that can be made.

        Raises:
            ValueError: if one is asked for by name and needs what was not given.
        """
        found: list[Table] = []
        for name, make in TABLES.items():
            if name in self.table or "all" in self.table:
                table = make(self)
                missing = table.missing()
                if missing and name in self.table:
                    raise ValueError(missing)
                if missing:
                    logging.info("Left out: %s", missing)
                else:
                    found.append(table)
        return found


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
