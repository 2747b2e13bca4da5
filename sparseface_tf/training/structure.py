"""Sparse structures as flags give them: 1/256-f 1/128-5b, or channels; and the stages they make."""

import dataclasses
import fractions
import re

# In place of a layer's name: all layers' channels.
CHANNELS = "channels"
# S-LAYER or S-LAYER:CRITERION
_STAGE = re.compile(r"([0-9./eE-]+)-(\w+)(?::(.+))?")


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of Table 2.

    Attributes:
        number: 0 is the dense baseline's.
        title: what is sparse in it, such as "1/256-f 1/128-5b"; "dense" for the baseline.
        layer: the layer that it sparsifies; `CHANNELS` for all layers' channels, None for the
            baseline.
        density: the fraction of the layer's weights, or of the channels, that is kept; None where
            a threshold says how many, and for the baseline.
        criterion: a `Criterion` or `ChannelCriterion`; None for the baseline.
        retrains: whether it goes on from the weights of the stage before.
        widths: the widths that are trained together, from 1 down.
    """

    number: int
    title: str
    layer: str | None = None
    density: fractions.Fraction | None = None
    criterion: object = None
    retrains: bool = False
    widths: tuple = (1.0,)

    @property
    def masked(self):
        """Whether it sparsifies a layer by a mask."""
        return self.layer not in (None, CHANNELS)

    @property
    def from_scratch(self):
        """Whether it gives the network new weights under the masks."""
        return self.number > 0 and not self.retrains


def stages(sparsify, layers):
    """The (layer, S) of every re-training, first stage first.

    Args:
        sparsify: what `--sparsify` says, a list of strings.
        layers: names of the layers whose weights can be dropped.

    Returns:
        List of (layer name, `fractions.Fraction` kept); `CHANNELS` stands for all layers'
        channels, with None where the threshold says how many.

    Raises:
        ValueError: for an unknown layer, a layer that stands twice, or S outside (0, 1].
    """
    found = []
    for text in sparsify:
        if text.strip().partition(":")[0] == CHANNELS:
            if CHANNELS in [layer for layer, _ in found]:
                raise ValueError(f"--sparsify={text}: channels are pruned twice.")
            found.append((CHANNELS, None))
            continue
        match = _STAGE.fullmatch(text.strip())
        if not match:
            raise ValueError(
                f"--sparsify={text}: expected S-LAYER or S-LAYER:CRITERION, such as 1/256-f."
            )
        try:
            kept = fractions.Fraction(match[1])
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"--sparsify={text}: '{match[1]}' is not a number.") from None
        if not 0 < kept <= 1:
            raise ValueError(
                f"--sparsify={text}: S is the fraction of weights kept, in (0, 1]; got {kept}."
            )
        if match[2] not in (*layers, CHANNELS):
            raise ValueError(
                f"--sparsify={text}: no layer '{match[2]}'; choose from "
                f"{', '.join((*layers, CHANNELS))}."
            )
        if match[2] in [layer for layer, _ in found]:
            raise ValueError(f"--sparsify={text}: layer {match[2]} is sparsified twice.")
        found.append((match[2], kept))
    return found
