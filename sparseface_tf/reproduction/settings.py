"""What a reproduction is asked for: the settings of reproduce.py."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from absl import logging

from pipelines.command_line import setting
from sparseface_tf.reproduction.tables import TABLES

if TYPE_CHECKING:
    from sparseface_tf.reproduction.tables.base import Table

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

    def check_criteria(self) -> None:
        """Raises ValueError, in one line, on the first criterion that cannot be made.

        Unlike `check` it imports the criteria, and with them Keras.
        """
        from sparseface_tf.criteria import criterion  # noqa: PLC0415

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
