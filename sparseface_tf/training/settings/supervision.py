"""By which signals a network is trained."""

import dataclasses
import math

import keras

from pipelines.command_line import setting
from sparseface_tf.supervision import IDENTIFICATION, identification_loss
from sparseface_tf.training.settings.ranges import check_choice, check_range


@dataclasses.dataclass(frozen=True)
class Supervision:
    """Identification, verification and centre signals, on f and on branches."""

    branches: list = setting(["pool3", "pool4"], "Stages supervised beside f.")
    identification: str = setting(
        "softmax", "Identification signal: 'softmax', or with a margin 'arcface' or 'cosface'."
    )
    softmax_margin: float = setting(
        -1.0,
        "Margin of 'arcface', in radians, or of 'cosface', in cosines; -1: the one published, "
        "0.5 or 0.35.",
    )
    softmax_scale: float = setting(
        0.0,
        "Scale of the cosines of 'arcface' and 'cosface'; 0: 16, for hundreds to some 10,000 "
        "identities (published: 64).",
    )
    centre_weight: float = setting(0.0, "Weight of the centre loss on f; 0: none.")
    centre_rate: float = setting(0.5, "Rate at which the centres of the identities move.")
    branch_weight: float = setting(0.3, "Weight of the branches' signals against f's.")
    verification_weight: float = setting(
        0.05,
        "Lambda of DeepID2's joint signal: a pair adds the identification of both images and lambda "
        "times its verification once.",
    )
    margin: str = setting(
        "data",
        "Margin of the verification signal: a number, or 'data' for the distance that best "
        "parts the training pairs.",
    )
    margin_steps: int = setting(200, "Mini-batches between two measurements of --margin=data.")

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        check_choice(self, "identification", IDENTIFICATION)
        check_range(self, "centre_weight", "branch_weight", "verification_weight", least=0)
        check_range(self, "margin_steps", least=1)
        check_range(self, "centre_rate", least=0, most=1)
        try:
            self.identification_loss()
        except ValueError as error:
            raise ValueError(f"--identification={self.identification}: {error}") from None
        check_range(self, "softmax_margin", least=-1)
        check_range(self, "softmax_scale", least=0)
        if self.margin != "data":
            try:
                good = 0 <= float(self.margin) < math.inf
            except ValueError:
                good = False
            if not good:
                raise ValueError(
                    f"--margin must be 'data' or a number >= 0, got {self.margin!r}."
                )

    def identification_loss(self) -> keras.losses.Loss:
        """The identification signal, a `keras.losses.Loss`."""
        return identification_loss(
            self.identification,
            None if self.softmax_margin < 0 else self.softmax_margin,
            self.softmax_scale or None,
        )
