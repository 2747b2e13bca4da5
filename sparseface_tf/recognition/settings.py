"""What recognition is asked for: the settings of recognize.py."""

import dataclasses
import os

from pipelines.command_line import setting
from sparseface_tf.recognition import scoring
from sparseface_tf.recognition.calibration import HIGHEST
from sparseface_tf.recognition.learning import IDENTITIES
from sparseface_tf.recognition.search import LOOSER, Rule

# A trained network that comes with the project; its folder also has its calibration.
DEFAULT_MODEL = os.path.join("saved_models", "face")
# Rates of false accepts. That of access is what NIST SP 800-63B-4, 3.2.3, asks of a comparison.
PRESETS = {"album": 0.01, "access": 0.0001}


@dataclasses.dataclass
class Recognition:
    """Settings of recognition; recognize.py has a flag for each, with these texts."""

    model: str = setting(
        "",
        "The network: as for evaluate.py --model. Default: the one that comes with the project, "
        f"{DEFAULT_MODEL}.",
    )
    region: str = setting("", "Region that it sees, as for evaluate.py --region.")
    calibration: str = setting(
        "",
        "What its scores mean, a file that calibrate wrote. Default: "
        f"{scoring.FILE} beside the model's file.",
    )
    scorer: str = setting(
        scoring.COSINE,
        "cosine, or joint_bayesian, which is more accurate, but whose thresholds suit photographs of "
        "the kind that it was learned from.",
    )
    preset: str = setting(
        "album",
        "What --far is if it is not given: album, for photographs of one's own, "
        f"{PRESETS['album']:g}; access, for doors, {PRESETS['access']:g}.",
    )
    far: float = setting(
        0.0,
        "Rate of false accepts at which a face is named: of searches for someone who is not in the "
        "gallery by identify, of comparisons of two people by verify, a search among one; "
        f"{HIGHEST} at most. 'probably' has {LOOSER} times that rate. Default: that of --preset.",
    )
    prior: float = setting(
        0.5,
        "Probability, beforehand, that a face is of someone in the gallery; of verify, that both are "
        "of one person. Percentages and their borders move with it, names do not.",
    )
    gallery: str = setting(
        "", "The gallery, a file. Default: gallery.db in the folder that the system has for your data."
    )
    yes: bool = setting(
        False,
        "enroll: does not ask. Of several faces in a photograph the largest and most central one is "
        "taken, and one is added though it is nearly one of another person.",
    )
    face: int = setting(
        0,
        "Of several faces in a photograph the one to verify or enroll, counted from the left, from "
        "1. Default: verify takes the largest and most central one, enroll asks.",
    )
    save: str = setting("", "Picture with the faces to write: .jpg, .png or .webp.")
    size: int = setting(
        640,
        "Side in pixels of the square that a photograph is fitted into to find faces, which are "
        "found from some 20 pixels there.",
    )
    confidence: float = setting(0.9, "Of the detector: below it a face is none.")

    # calibrate
    data: str = setting(
        "",
        "calibrate: faces of people that the network was not trained on, named as for train.py. "
        "Not those that it is tested on, such as LFW's View 2.",
    )
    identities: str = setting(
        "all",
        "calibrate: 'all' people of --data; 'held_out': those that the run of the model held out, "
        "and of --train_data the others; or a file that names such people, as a run's "
        "held_out.txt does.",
    )
    pairs: str = setting("", "calibrate: list of pairs of --data. Default: every two images.")
    output: str = setting(
        "",
        f"calibrate: file to write, a new one. Default: {scoring.FILE} beside the model's file, if "
        "there is none.",
    )
    train_data: str = setting("", "calibrate: faces that Joint Bayesian learns from.")
    components: int = setting(0, "calibrate: principal components for Joint Bayesian; 0: no PCA.")
    cache: str = setting("~/.cache/sparseface_tf/features", "calibrate: folder that keeps features.")

    @property
    def rule(self) -> Rule:
        """How it is decided who a face is."""
        return Rule(self.far or PRESETS[self.preset], self.prior)

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not 0 <= self.far <= HIGHEST:
            raise ValueError(f"--far must be above 0, and {HIGHEST} at most, got {self.far:g}.")
        if self.preset not in PRESETS:
            raise ValueError(f"--preset={self.preset}: choose from {', '.join(PRESETS)}.")
        if not 0 < self.prior < 1:
            raise ValueError(f"--prior must be above 0 and below 1, got {self.prior:g}.")
        if self.scorer not in scoring.SCORERS:
            raise ValueError(f"--scorer={self.scorer}: choose from {', '.join(scoring.SCORERS)}.")
        if self.identities not in IDENTITIES and not os.path.isfile(self.identities):
            raise ValueError(
                f"--identities={self.identities}: choose from {', '.join(IDENTITIES)}, or give a file."
            )
        for flag, path in (("gallery", self.gallery), ("calibration", self.calibration)):
            if os.path.isdir(os.path.expanduser(path)):
                raise ValueError(f"--{flag}={path} is a folder: give a file.")
        if self.face < 0 or self.components < 0:
            raise ValueError("--face and --components must be 0 or more.")
        if not 64 <= self.size <= 4096:
            raise ValueError(f"--size must be from 64 to 4096, got {self.size}.")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"--confidence must be from 0 to 1, got {self.confidence:g}.")
