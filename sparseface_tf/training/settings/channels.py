"""Channels in order of importance, and the widths that are trained together."""

import dataclasses
from typing import Any

from pipelines.command_line import setting
from sparseface_tf.training.settings.ranges import check_range


@dataclasses.dataclass(frozen=True)
class Channels:
    """The poster's method."""

    prioritise: bool = setting(
        False,
        "Scales of normalisations start at 1, 1 - 1/N, …, 1/N: channels in order of importance.",
    )
    lambda_s: float = setting(0.0, "Weight of the sum of the |scales|, until channels are pruned.")
    lambda_m: float = setting(0.0, "Weight of the sum of their rises from channel to channel.")
    prune_threshold: float = setting(0.1, "Channels whose |scale| is above it are kept.")
    channel_multiple: int = setting(
        1, "Keep multiples of so many channels; with --block=4 it has to be 4 or 8 or so."
    )
    levels: list = setting(
        ["1"],
        "Widths that are trained together, with the same weights, once channels are pruned: the "
        "losses are summed. '1,0.75,0.5' are the poster's.",
    )
    freeze: bool = setting(True, "Freeze the normalisations once channels are pruned.")

    def check(self, *, scaled: bool, pruned: bool, block: int) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense.

        Args:
            scaled: whether the network has normalisations whose scales can be worked with.
            pruned: whether a stage prunes channels.
            block: --block.
        """
        check_range(self, "channel_multiple", least=1)
        check_range(self, "lambda_s", "lambda_m", "prune_threshold", least=0)
        for name, asked in (
            ("prioritise", self.prioritise),
            ("lambda_s", self.lambda_s),
            ("lambda_m", self.lambda_m),
            ("sparsify=channels", pruned),
        ):
            if asked and not scaled:
                raise ValueError(
                    f"--{name} goes by the scales of normalisations: add --normalization, or take "
                    "--network=vgg16."
                )
        if len(self.widths()) > 1 and not (pruned and self.freeze):
            raise ValueError(
                "--levels are trained once channels are pruned and normalisations frozen: add "
                "--sparsify=channels, and leave --freeze."
            )
        if pruned and self.channel_multiple % block:
            raise ValueError(
                f"--block={block} keeps runs of channels: give a --channel_multiple of it."
            )

    def widths(self) -> list[float]:
        """The widths of --levels, from 1 down, floats.

        Raises:
            ValueError: for anything but numbers in (0, 1] with 1 among them.
        """
        try:
            widths = sorted({float(text) for text in self.levels}, reverse=True)
            if not widths or widths[0] != 1 or not all(0 < width <= 1 for width in widths):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"--levels={','.join(self.levels)}: give widths in (0, 1], with 1 among them."
            ) from None
        return widths

    def normalization(self, asked: bool) -> bool | dict[str, Any]:
        """What networks are given as `normalization`: False, True or settings of the scales.

        Args:
            asked: --normalization.
        """
        if not (self.prioritise or self.lambda_s or self.lambda_m):
            return asked
        # With Keras, which settings alone do without.
        from sparseface_tf.channels import ChannelPenalty, DecreasingScales  # noqa: PLC0415

        settings: dict[str, Any] = {}
        if self.prioritise:
            settings["gamma_initializer"] = DecreasingScales()
        if self.lambda_s or self.lambda_m:
            settings["gamma_regularizer"] = ChannelPenalty(self.lambda_s, self.lambda_m)
        return settings
