"""What an evaluation is asked for: the settings of evaluate.py."""

import dataclasses
import os
from typing import Any

from pipelines.command_line import setting
from pipelines.files import read_json
from sparseface_tf.embedding.systems import FLIPS
from sparseface_tf.evaluation.ijba import FUSIONS
from sparseface_tf.evaluation.protocols import PROTOCOLS
from sparseface_tf.evaluation.report import REPORT
from sparseface_tf.evaluation.scorers import SCORERS
from sparseface_tf.runs.lock import holds_others

# The file with the settings of an evaluation, in its folder.
SETTINGS = "evaluation.json"

IDENTITIES = ("all", "training", "held_out")


@dataclasses.dataclass
class Evaluation:
    """Settings of an evaluation; evaluate.py has a flag for each, with these texts."""

    # Systems
    model: list[str] = setting(
        [],
        "A network to evaluate: a .keras file, or the folder of a stage or of a run (its last "
        "stage). Repeat it to compare several; NAME=PATH gives it a name.",
        repeated=True,
    )
    models: list[str] = setting(
        [],
        "An ensemble: networks joined by commas, or a pattern such as 'runs/four/*/stage1', whose "
        "features are joined. Repeat it for several; NAME=A,B gives it a name.",
        repeated=True,
    )
    region: str = setting(
        "", "Region that the networks see. Default: that of the run that each lies in, or 'face'."
    )
    regions: str = setting("", "Table of the regions, CSV. Default: pipelines/regions.csv.")
    flip: str = setting(
        "average",
        "The feature of the mirrored face is averaged with the image's ('average'), put behind it "
        "('join') or not used ('none').",
    )

    # Protocols
    protocol: list[str] = setting(["lfw"], f"What to test on: {', '.join(PROTOCOLS)}.")
    data: str = setting("", "Test faces, named as for train.py.")
    lists: str = setting("", "Folder of the published lists. Default: --data.")
    pairs: str = setting("", "List of pairs on --data, for --protocol=pairs.")
    allow_missing: bool = setting(
        False, "Go on without images that a list names and --data does not have; they are listed."
    )

    templates: str = setting(
        "scores",
        "How templates of IJB-A are compared: by the mean of the 'scores' of all pairs of their "
        "faces, as the paper compares videos, or by the means of their 'features'.",
    )

    # Scores
    scorers: list[str] = setting(
        [],
        "How features are compared: cosine, joint_bayesian. Default: cosine, and joint_bayesian "
        "where there is something to learn it from.",
    )
    train_data: str = setting("", "Faces to learn Joint Bayesian from, named as for train.py.")
    exclude: str = setting("", "File of names in --train_data to leave out.")
    identities: str = setting(
        "all",
        "Which identities of --train_data Joint Bayesian learns from: 'all', or 'training' or "
        "'held_out' as the run that the first model lies in divided them.",
    )
    components: int = setting(0, "Principal components kept for Joint Bayesian; 0: no PCA.")

    # Run
    output: str = setting("runs/evaluation", "Folder of the report.")
    cache: str = setting(
        "~/.cache/sparseface_tf/features", "Folder that keeps features for the next evaluation."
    )

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not self.model and not self.models:
            raise ValueError("No network: give --model=PATH, or --models=A,B for an ensemble.")
        if not self.data:
            raise ValueError("No test faces: give --data.")
        if not self.protocol:
            raise ValueError(f"No protocol: give --protocol, of {', '.join(PROTOCOLS)}.")
        for name, given, choices in (
            ("protocol", self.protocol, PROTOCOLS),
            ("scorers", self.scorers, SCORERS),
            ("flip", [self.flip], FLIPS),
            ("templates", [self.templates], FUSIONS),
            ("identities", [self.identities], IDENTITIES),
        ):
            for choice in given:
                if choice not in choices:
                    raise ValueError(f"--{name}={choice}: choose from {', '.join(choices)}.")
            if len(set(given)) < len(given):
                raise ValueError(f"--{name}={','.join(given)} has one twice.")
        if self.components < 0:
            raise ValueError(f"--components must be 0 or more, got {self.components}.")
        if "joint_bayesian" in self.scorers and not self.train_data:
            if not all(PROTOCOLS[name].learns for name in self.protocol):
                raise ValueError("joint_bayesian learns from faces: give --train_data.")
        if self.exclude and not self.train_data:
            raise ValueError("--exclude is of --train_data, which is not given.")

    def check_output(self) -> None:
        """Looks whether the output folder may be this evaluation's own.

        One that never came to its report, because a list was missing, say, is no reason to stop.

        Raises:
            ValueError: if the report of another evaluation, or something else, is in the folder.
        """
        output = os.path.expanduser(self.output)
        path, mine = os.path.join(output, SETTINGS), self.description()
        if os.path.exists(os.path.join(output, REPORT)):
            theirs = read_json(path)
            # Before there was a choice it was this; it changes nothing elsewhere.
            of_templates = any(name.startswith("ijba") for name in self.protocol)
            theirs.setdefault("templates", "features" if of_templates else self.templates)
            for name in mine:
                if theirs.get(name) != mine[name]:
                    raise ValueError(
                        f"{self.output} holds an evaluation with other settings (--{name} was "
                        f"{theirs.get(name)!r}): choose another --output, or remove it."
                    )
        elif holds_others(output) and not os.path.exists(path):
            raise ValueError(f"{self.output} is not empty and holds no evaluation: choose another.")

    def description(self) -> dict[str, Any]:
        """What evaluation.json holds: all settings but the folders that it is written to."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in ("output", "cache")}
