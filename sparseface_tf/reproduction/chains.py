"""What a row of a table needs: the stages of one run, up to the network that is tested."""

import dataclasses
import re

from sparseface_tf.criteria import criteria
from sparseface_tf.training.experiment import Experiment

_VGG16 = {"network": "vgg16", "study": False}
_PEER = {"study": False, "width_multiplier": 1.0}
# What --network alone does not say, by what a chain calls its network.
VARIANTS = {
    "baseline": {},
    # Of flags/deepid2plus.cfg, its maps multiplied by the width of the scale.
    "deepid2plus": {
        "network": "deepid2plus",
        "study": False,
        "width": 0,
        "branches": ["pool1", "pool2", "pool3"],
    },
    # The poster's, before and after; and network slimming, which has no order of channels.
    "vgg16": _VGG16,
    "vgg16_prioritised": {
        **_VGG16,
        "prioritise": True,
        "lambda_s": 1e-3,
        "lambda_m": 4e-5,
    },
    "vgg16_slimming": {**_VGG16, "lambda_s": 1e-3},
    # Its peers, as wide as they were published.
    "mobilenet": {"network": "mobilenet", **_PEER},
    "squeezenet": {"network": "squeezenet", **_PEER},
    "mobilefacenet": {"network": "mobilefacenet", **_PEER},
}
# Networks that are tested on held-out images of training identities; their share by default.
CLASSIFIERS = {name for name in VARIANTS if name not in ("baseline", "deepid2plus")}
HELD_OUT_IMAGES = 0.2
# The poster's stage, and its widths, which that stage alone trains at once.
POSTER_STAGE = "channels"
LEVELS = ("1", "0.75", "0.5", "0.25")
# Settings in which chains of one scale and seed differ.
OWN = {"sparsify", "from_scratch", "criteria_file", "held_out_images", "levels"}.union(
    *VARIANTS.values()
)


@dataclasses.dataclass(frozen=True)
class Chain:
    """The stages that lead to a network.

    Attributes:
        stages: tuple of strings as of --sparsify, first stage first; () is the dense network.
        from_scratch: whether the last stage begins with new weights (Table 7).
        network: a name of `VARIANTS`.
    """

    stages: tuple[str, ...] = ()
    from_scratch: bool = False
    network: str = "baseline"

    @property
    def name(self):
        """Name of its folder, such as "1_256-f+1_128-5b_obd"."""
        parts = [] if self.network == "baseline" else [self.network]
        parts += self.stages or ["dense"]
        parts += ["from_scratch"] if self.from_scratch else []
        return "+".join(re.sub("[^A-Za-z0-9.,=-]", "_", part) for part in parts)

    @property
    def title(self):
        """What a reader calls it, such as "1/256-f 1/128-5b:obd"."""
        title = " ".join(self.stages) or "dense"
        title += ", from scratch" if self.from_scratch else ""
        return title if self.network == "baseline" else f"{self.network} {title}"

    def before(self) -> "Chain | None":
        """The chain without its last stage, which it goes on from; None for a dense network."""
        if not self.stages:
            return None
        return dataclasses.replace(self, stages=self.stages[:-1], from_scratch=False)

    def ends(self) -> "list[Chain]":
        """The chains that end at each of its stages: the dense one first, itself last."""
        before = self.before()
        return [*(before.ends() if before else []), self]

    def experiment(self, settings: Experiment, seed: int, output: str) -> Experiment:
        """The `Experiment` that trains it.

        Args:
            settings: `Experiment` of the scale.
            seed: integer.
            output: folder of the run.
        """
        changed = dict(sparsify=list(self.stages), from_scratch=self.from_scratch)
        changed.update(VARIANTS[self.network])
        if self.stages[-1:] == (POSTER_STAGE,):
            changed["levels"] = list(LEVELS)
        if self.network in CLASSIFIERS:
            changed["held_out_images"] = settings.data.held_out_images or HELD_OUT_IMAGES
        if not self._own_criteria():
            # Else a run would not be found again once a file of criteria is given.
            changed["criteria_file"] = ""
        return settings.changed(**changed, seed=seed, output=output)

    def _own_criteria(self):
        """Whether one of its criteria is from a user's file."""
        own = own_criteria()
        return any(text.partition(":")[2].partition(",")[0] in own for text in self.stages)


def own_criteria():
    """Names of the criteria that a user's file has defined."""
    return [
        name
        for name, criterion in criteria().items()
        if not criterion.__module__.startswith("sparseface_tf.")
    ]
