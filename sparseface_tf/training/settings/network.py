"""Which network is trained."""

import dataclasses

from pipelines.command_line import setting
from sparseface_tf.networks.kinds import NETWORKS
from sparseface_tf.training.settings.ranges import check_range


@dataclasses.dataclass(frozen=True)
class Network:
    """The network from image to feature."""

    name: str = setting(
        "baseline",
        "'baseline' (Table 1), 'deepid2plus', 'vgg16' (the poster's), or one to compare with: "
        "'mobilefacenet', 'mobilenet', 'squeezenet'.",
        flag="network",
        key=True,
    )
    input_width: int = setting(
        0,
        "Width of the network's input, in pixels; the region's shape gives the height. 0: 47 for "
        "'deepid2plus', 96 for all others.",
        flag="width",
    )
    width: float = setting(
        1.0, "Multiplies the maps and features of every layer.", flag="width_multiplier"
    )
    study: bool = setting(
        False, "Leave out block 1 of 'baseline' (use with half the input size: --width=48)."
    )
    normalization: bool = setting(
        False,
        "Batch normalisation before every ReLU below f, for 'baseline' and 'deepid2plus'; the "
        "others have it or not as published.",
    )
    dropout_5b: float = setting(
        0.3, "Share of 5b's outputs dropped in training (Sec. 3: 0.3); 'deepid2plus' has no 5b."
    )
    dropout_f: float = setting(0.5, "Share of f and of the branches dropped (Sec. 3: 0.5).")

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if self.name not in NETWORKS:
            raise ValueError(f"--network must be one of {', '.join(NETWORKS)}, got {self.name!r}.")
        if self.study and self.name != "baseline":
            raise ValueError("--study leaves out block 1 of the baseline: drop it or --network.")
        kind = NETWORKS[self.name].normalization
        if self.normalization and kind != "asked":
            raise ValueError(
                f"--normalization is for 'baseline' and 'deepid2plus'; '{self.name}' {kind} has "
                "normalisations."
            )
        check_range(self, "input_width", least=0)
        check_range(self, "width", above=0)
        check_range(self, "dropout_5b", "dropout_f", least=0, below=1)

    @property
    def layers(self):
        """Names of the layers whose weights can be dropped, from the input up."""
        layers = NETWORKS[self.name].layers
        return layers[2:] if self.study else layers

    @property
    def pixels(self):
        """Width of the input in pixels, the network's own if none is given."""
        return self.input_width or NETWORKS[self.name].input_width
