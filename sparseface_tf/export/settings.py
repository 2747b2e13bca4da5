"""The settings of export.py, checked before anything is written."""

import dataclasses

from pipelines.command_line import setting
from sparseface_tf.export.formats import FORMATS
from sparseface_tf.recognition.scoring import FILE, SCORERS

QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
FORMS = ("estimated", "measured")
PROCESSORS = ("arm", "x86")
INPUTS = ("float32", "uint8")
# Mean cosine between the features of file and network. In float32 and float16 nothing but rounding
# is lost; in int8 each map has 256 steps.
MIN_COSINE = {"none": 0.999, "float16": 0.999, "dynamic": 0.999, "int8": 0.99}


@dataclasses.dataclass
class Export:
    """Settings of an export; export.py has a flag for each, with these texts."""

    model: str = setting(
        "", "The network: a .keras file, or the folder of a stage or of a run (its last stage)."
    )
    at_width: float = setting(
        1.0, "Export the network of this share of the channels, for one trained with --levels."
    )
    format: str = setting("tflite", f"What to write: {', '.join(FORMATS)}.")
    output: str = setting("", "Folder of the exported model and its report: saved_models/NAME.")
    region: str = setting(
        "", "Region that the network sees. Default: that of the run that it lies in, or 'face'."
    )
    regions: str = setting("", "Table of the regions, CSV. Default: pipelines/regions.csv.")

    # SavedModel
    version: int = setting(0, "Number of its folder in --output. Default: the next one.")
    recognition: str = setting(
        "",
        "What recognize.py calibrate wrote, for the scores of pairs. Default: "
        f"{FILE} beside the model's file, if it is there.",
    )
    scorer: str = setting(
        "",
        f"Of pairs: {' or '.join(SCORERS)}. Default: Joint Bayesian, if --recognition has it.",
    )
    warmup: int = setting(
        4, "Warm-up requests to each signature, for TensorFlow Serving; 0 writes none."
    )

    # TFLite
    quantization: str = setting(
        "none",
        "Of convolutions, and of other layers without zeros: 'none', 'float16', 'dynamic' (int8 "
        "weights), 'int8' (weights and maps). Sparse layers stay float32.",
    )
    input: str = setting(
        "float32", "'uint8' takes pixels and normalises them in the file; 'float32' normalised ones."
    )
    forms: str = setting(
        "estimated",
        "How the form of each sparse layer is chosen: by 'estimated' or by 'measured' times.",
    )
    target: str = setting(
        "arm",
        "Processor that times are estimated for: 'arm' (phones) or 'x86' (with AVX-512). "
        "'measured' times are those of this machine.",
    )
    calibration_data: str = setting(
        "synthetic", "Faces that int8 maps get their ranges from, named as for train.py."
    )
    calibration_images: int = setting(100, "How many of them.")

    # Parity
    parity_data: str = setting(
        "synthetic", "Faces that file and network are compared on, named as for train.py."
    )
    parity_images: int = setting(100, "How many of them.")
    min_cosine: float = setting(
        0.0,
        "Mean cosine between the features of file and network below which nothing is written. "
        f"Default: {', '.join(f'{cosine} for {name}' for name, cosine in MIN_COSINE.items())}.",
    )

    # Report
    compare: bool = setting(
        True,
        "Also measure the network dense, in other number formats, layer by layer, and beside "
        "MobileFaceNet: some minutes. --nocompare only measures the file.",
    )
    seconds: float = setting(2.0, "How long each time is measured.")

    @property
    def least_cosine(self) -> float:
        """`min_cosine`, or its default."""
        return self.min_cosine or MIN_COSINE[self.quantization]

    def check(self) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not self.model:
            raise ValueError("No network: give --model=PATH.")
        if not self.output:
            raise ValueError("No place for the export: give --output=saved_models/NAME.")
        self._check_choices("format", FORMATS)
        self._check_format()
        if self.forms == "measured" and self.target != "arm":
            raise ValueError("--target is for --forms=estimated: leave it out.")
        for name, choices in (
            ("scorer", ("", *SCORERS)),
            ("quantization", QUANTIZATIONS),
            ("input", INPUTS),
            ("forms", FORMS),
            ("target", PROCESSORS),
        ):
            self._check_choices(name, choices)
        if not 0 < self.at_width <= 1:
            raise ValueError(f"--at_width is a share of the channels, up to 1, got {self.at_width}.")
        for name, least in (
            ("calibration_images", 1),
            ("parity_images", 1),
            ("version", 0),
            ("warmup", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be {least} or more, got {getattr(self, name)}.")
        if not -1 <= self.min_cosine <= 1:
            raise ValueError(f"--min_cosine is a cosine, up to 1, got {self.min_cosine}.")
        if self.seconds <= 0:
            raise ValueError(f"--seconds must be above 0, got {self.seconds}.")

    def _check_format(self):
        """Refuses settings that only another format reads."""
        for other, format in FORMATS.items():
            for name in format.settings:
                given = getattr(self, name) != type(self).__dataclass_fields__[name].default
                if other != self.format and given:
                    raise ValueError(f"--{name} is for --format={other}: leave it out.")

    def _check_choices(self, name, choices):
        given = getattr(self, name)
        if given not in choices:
            raise ValueError(f"--{name}={given}: choose from {', '.join(filter(None, choices))}.")
