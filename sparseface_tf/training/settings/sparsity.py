"""Which layers lose connections, in which order, and by what criterion."""

import dataclasses
from collections.abc import Sequence

from pipelines.command_line import setting
from pipelines.quiet import import_tensorflow
from sparseface_tf.named import names_in
from sparseface_tf.training.settings.ranges import check_range
from sparseface_tf.training.structure import CHANNELS, stages


@dataclasses.dataclass(frozen=True)
class Sparsity:
    """The stages of Table 2 and what chooses their weights."""

    sparsify: list = setting(
        [],
        "One more stage of Table 2, e.g. '1/256-f', or '1/128-5b:obd' with a criterion of its own; "
        "repeat in order, first stage first. 'channels' prunes the channels by --prune_threshold, "
        "'1/2-channels:norm' keeps half of them by a criterion: "
        f"{', '.join(names_in('sparseface_tf.channels.criteria'))}.",
        repeated=True,
        key=True,
    )
    from_scratch: bool = setting(
        False,
        "Give the last stage's network new weights once its masks are chosen, and train it as long "
        "as the baseline: Table 7.",
    )
    criterion: str = setting(
        "correlation",
        f"Which weights are kept: {', '.join(names_in('sparseface_tf.criteria'))}, or one of --criteria_file; settings "
        "follow it, as in 'brp,strength=1e-4'.",
        key=True,
    )
    criteria_file: str = setting("", "Python file that defines criteria of one's own.")
    lam: float = setting(
        0.75, "Share kept from the upper half of the correlations (Sec. 4.1): 'correlation,lam=…'."
    )
    block: int = setting(1, "Keep runs of this many inputs: 1, or 4 for TFLite's 1x4 blocks.")
    correlation_images: int = setting(
        1000, "Images for the correlations, and for any criterion, at most."
    )
    correlation_memory: int = setting(2048, "Memory for the correlations, in MiB.")

    def check(self, layers: Sequence[str]) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense.

        Args:
            layers: names of the network's layers whose weights can be dropped.
        """
        check_range(self, "correlation_images", "correlation_memory", least=1)
        check_range(self, "lam", least=0, most=1)
        if self.block not in (1, 4):
            raise ValueError(f"--block must be 1 or 4, got {self.block}.")
        if not self.criteria_file:
            self._check_names(layers)
        if self.from_scratch and self.prunes_channels(layers):
            raise ValueError("--from_scratch is for masks only: drop it or --sparsify=channels.")

    def check_criteria(self, layers: Sequence[str]) -> None:
        """Raises ValueError, in one line, on the first criterion that cannot do what is asked.

        Unlike `check` it imports the criteria, and with them Keras.
        """
        one_shot = [criterion.one_shot for criterion in self.criteria(layers)]
        if self.from_scratch and not (one_shot and one_shot[-1]):
            raise ValueError(
                "--from_scratch gives a sparse stage new weights: it needs a last --sparsify whose "
                "criterion selects at once."
            )

    def _check_names(self, layers):
        """Refuses names of criteria that there are not, before any is imported."""
        given = [("criterion", self.criterion, self.criterion, False)]
        for text, (layer, _) in zip(self.sparsify, self.structure(layers)):
            given.append(("sparsify", text, text.strip().partition(":")[2], layer == CHANNELS))
        for flag, value, text, of_channels in given:
            name = text.partition(",")[0].strip()
            known = names_in("sparseface_tf.channels.criteria" if of_channels else "sparseface_tf.criteria")
            if text and name not in known:
                raise ValueError(
                    f"--{flag}={value}: there is no criterion '{name}'; choose from {', '.join(known)}."
                )

    def structure(self, layers: Sequence[str]) -> list[tuple]:
        """The (layer, S) of every re-training, first stage first, see `structure.stages`."""
        return stages(self.sparsify, layers)

    def prunes_channels(self, layers: Sequence[str]) -> bool:
        """Whether a stage prunes channels."""
        return CHANNELS in [layer for layer, _ in self.structure(layers)]

    def criteria(self, layers: Sequence[str]) -> list:
        """The criterion of every re-training, first stage first, a list.

        Args:
            layers: names of the network's layers whose weights can be dropped.

        Returns:
            List of `Criterion` and, for stages of channels, `ChannelCriterion`.

        Raises:
            ValueError, OSError: for an unknown criterion, settings that it has not, a file that
                defines none, or a criterion that cannot do what is asked.
        """
        # With Keras, which settings alone do without.
        import_tensorflow()
        from sparseface_tf.criteria import load_criteria  # noqa: PLC0415

        if self.criteria_file:
            load_criteria(self.criteria_file)
        # Also if no stage uses it: a mistake in a flag is an error.
        self._criterion("criterion", self.criterion, self.criterion, None, None)
        found = []
        for text, (layer, density) in zip(self.sparsify, self.structure(layers)):
            own = text.strip().partition(":")[2]
            if not own and layer == CHANNELS:
                own = "gamma"
            if own:
                found.append(self._criterion("sparsify", text, own, layer, density))
            else:
                chosen = self.criterion
                found.append(self._criterion("criterion", chosen, chosen, layer, density))
        return found

    def _criterion(self, flag, value, text, layer, density):
        from sparseface_tf.criteria import channel_criterion, criterion  # noqa: PLC0415, as above

        try:
            if layer == CHANNELS:
                made = channel_criterion(text)
                made.check(density)
            else:
                made = criterion(text, lam=self.lam, memory=self.correlation_memory)
                made.check(self.block, density)
        except ValueError as error:
            raise ValueError(f"--{flag}={value}: {error}") from None
        return made
