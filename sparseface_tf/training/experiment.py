"""The description of one run: every setting of train.py, checked before anything is written."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

from pipelines.faces.regions import Region
from sparseface_tf.runs import RunFolder
from sparseface_tf.training.settings import (
    Augmentation,
    Channels,
    Data,
    Network,
    Run,
    Schedule,
    Sparsity,
    Supervision,
)
from sparseface_tf.training.structure import CHANNELS, Stage

# Of what experiment.json holds. Before 2 the verification signal counted twice: its mean over pairs was
# weighted by lambda, where now an image has the weight of an image in both signals; and margins from
# the data were measured with every checkpoint.
_FORMAT = 2
# They may differ from one start of a run to the next: no number depends on them.
_FREE = ("checkpoint_minutes", "checkpoint_steps")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Settings of a run in groups; train.py has a flag for each, with the groups' texts.

    By the names of the flags, without groups, they are made (`of`), changed (`changed`), and kept in
    experiment.json (`description`).
    """

    data: Data = Data()
    augmentation: Augmentation = Augmentation()
    network: Network = Network()
    supervision: Supervision = Supervision()
    sparsity: Sparsity = Sparsity()
    channels: Channels = Channels()
    schedule: Schedule = Schedule()
    run: Run = Run()

    @classmethod
    def of(cls, **flags: Any) -> "Experiment":
        """An experiment from values by the names of their flags; defaults where there is none.

        Raises:
            TypeError: for a name that is no flag's.
        """
        return cls().changed(**flags)

    def changed(self, **flags: Any) -> "Experiment":
        """The same with other values, by the names of their flags."""
        groups: dict[str, dict[str, Any]] = {}
        for name, value in flags.items():
            if name not in _PLACES:
                raise TypeError(f"There is no setting '{name}'.")
            group, field = _PLACES[name]
            groups.setdefault(group, {})[field] = value
        return dataclasses.replace(
            self,
            **{
                group: dataclasses.replace(getattr(self, group), **values)
                for group, values in groups.items()
            },
        )

    def flags(self) -> dict[str, Any]:
        """The values by the names of their flags, a dict."""
        return {
            name: getattr(getattr(self, group), field) for name, (group, field) in _PLACES.items()
        }

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        self.network.check()
        layers = self.network.layers
        self.sparsity.check(layers)
        pruned = self.sparsity.prunes_channels(layers)
        self.channels.check(
            scaled=self.network.normalization or self.network.name == "vgg16",
            pruned=pruned,
            block=self.sparsity.block,
        )
        self.data.check()
        self.augmentation.check()
        self.supervision.check()
        self.schedule.check(len(self.sparsity.sparsify))
        self.run.check()
        one_shot = [criterion.one_shot for criterion in self.sparsity.criteria(layers)]
        if self.schedule.patience and not all(one_shot):
            raise ValueError(
                "--patience goes back to weights of any time in a stage, and a criterion that "
                "selects while it trains has no mask yet: drop one of them."
            )

    def stages(self) -> list[Stage]:
        """The stages of Table 2, the dense one first: list of `Stage`."""
        layers, widths = self.network.layers, [1.0]
        stages = [Stage(0, "dense")]
        structure, criteria = self.sparsity.structure(layers), self.sparsity.criteria(layers)
        for number, ((layer, density), criterion) in enumerate(zip(structure, criteria), 1):
            if layer == CHANNELS:
                widths = self.channels.widths()
            last = number == len(structure)
            stages.append(
                Stage(
                    number,
                    " ".join(self.sparsity.sparsify[:number]),
                    layer,
                    density,
                    criterion,
                    retrains=not (self.sparsity.from_scratch and last),
                    widths=tuple(widths),
                )
            )
        return stages

    def region(self) -> Region:
        """The `Region` that the network sees, at the network's input size."""
        return self.data.region_of_face(self.network.pixels)

    def normalization(self) -> bool | dict[str, Any]:
        """What networks are given as `normalization`, see `Channels.normalization`."""
        return self.channels.normalization(self.network.normalization)

    def runs(self) -> list["Experiment"]:
        """One experiment for each region, in the order given; itself if there is one only.

        Raises:
            ValueError: for a region that is not in the table.
        """
        names = self.data.region_names()
        if len(names) == 1:
            return [self]
        return [
            self.changed(region=name, output=os.path.join(self.run.output, name)) for name in names
        ]

    def description(self) -> dict[str, Any]:
        """What experiment.json holds: a dict of all settings but --output."""
        mine = {name: value for name, value in self.flags().items() if name != "output"}
        mine["format"] = _FORMAT
        # The region's row, not only the table's path: the table may be changed meanwhile.
        mine["regions"] = json.loads(json.dumps(dataclasses.asdict(self.region())))
        if self.sparsity.criteria_file:
            # Likewise.
            with open(self.sparsity.criteria_file, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            mine["criteria_file"] = f"{self.sparsity.criteria_file} (SHA-256 {digest[:12]}…)"
        return mine

    def check_same(self, folder: RunFolder) -> None:
        """Raises ValueError if the run in a `RunFolder` has other settings than this."""
        differences = self.differences(folder.settings()) if folder.exists() else []
        if differences:
            raise ValueError(
                f"{folder.path} holds a run with other settings ({'; '.join(differences)}): "
                "choose another --output, or give the settings of that run to resume it."
            )

    def differences(self, theirs: dict[str, Any], but: Sequence[str] = ()) -> list[str]:
        """What differs from another run, as on the command line.

        A setting that is younger than the other run has its default there, and one that has another
        meaning now is compared by what it does.

        Args:
            theirs: the content of its experiment.json.
            but: names of settings that may differ.

        Returns:
            List of strings, "--NAME was …, is …".
        """
        mine, theirs = self.description(), {**Experiment().flags(), "format": 1, **theirs}
        theirs.pop("output", None)
        if theirs["format"] < 2:
            theirs["format"] = 2
            theirs["verification_weight"] *= 2
            theirs["margin_steps"] = theirs["checkpoint_steps"] or 200  # their default
        return [
            f"--{name} was {theirs.get(name)!r}, is {mine.get(name)!r}"
            for name in {**theirs, **mine}
            if theirs.get(name) != mine.get(name) and name not in (*but, *_FREE)
        ]


def _places():
    """The (group, field) of each flag."""
    places = {}
    for group in dataclasses.fields(Experiment):
        for field in dataclasses.fields(group.default):
            places[field.metadata["flag"] or field.name] = (group.name, field.name)
    return places


_PLACES = _places()
