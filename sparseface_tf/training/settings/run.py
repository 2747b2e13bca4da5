"""Where a run leaves its results, and how it computes."""

import dataclasses

from pipelines.command_line import setting
from sparseface_tf.training.settings.ranges import check_choice, check_range


@dataclasses.dataclass(frozen=True)
class Run:
    """Folder, seed and precision."""

    output: str = setting(
        "runs/sparseface", "Folder of the results; a run there is resumed.", key=True
    )
    seed: int = setting(0, "Seed of everything random.", key=True)
    precision: str = setting(
        "auto",
        "'float32', 'mixed_bfloat16', 'mixed_float16', or 'auto': what is fastest here.",
        key=True,
    )
    deterministic: bool = setting(False, "Same results to the bit on every run; slower.")
    checkpoint_minutes: float = setting(
        1.0, "Minutes between two checkpoints; each stage ends with one. 0: not by time."
    )
    checkpoint_steps: int = setting(
        0, "Mini-batches between two checkpoints, beside those by time. 0: only by time."
    )

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        check_range(self, "seed", least=0)
        check_range(self, "checkpoint_minutes", "checkpoint_steps", least=0)
        check_choice(
            self, "precision", ("auto", "float32", "mixed_bfloat16", "mixed_float16")
        )
