"""The description of one run: every setting of train.py, checked before anything is written."""

import dataclasses
import hashlib
import json
import os

from pipelines.command_line import setting
from pipelines.faces.augmentation import Augmentation
from pipelines.faces.regions import TABLE, read_regions
from pipelines.files import read_json, write_json
from pipelines.sources import open_faces
from sparseface_tf.channels import ChannelPenalty, DecreasingScales
from sparseface_tf.criteria import (
    channel_criteria,
    channel_criterion,
    criteria,
    criterion,
    load_criteria,
)
from sparseface_tf.networks import NETWORKS
from sparseface_tf.runs import SETTINGS
from sparseface_tf.supervision.signals import identification_loss
from sparseface_tf.training.experiment_check import check
from sparseface_tf.training.structure import CHANNELS, stages


@dataclasses.dataclass
class Experiment:
    """Settings of a run; train.py has a flag for each, with these texts.

    Raises:
        ValueError: from `check`, with one line that says what to change.
    """

    # Data
    data: str = setting(
        "synthetic",
        "Training faces: 'synthetic', a folder IDENTITY/IMAGE, a pattern of several such folders "
        "('/data/set*/'), 'lfw', or 'tfds:NAME[:SPLIT]' for one of TensorFlow Datasets.",
    )
    exclude: str = setting(
        "", "File of names to leave out, such as exclude.txt of pipelines.inspect."
    )
    identities: int = setting(400, "Number of synthetic identities, held-out ones included.")
    images_per_identity: int = setting(20, "Synthetic images an identity.")
    held_out: float = setting(
        0.15,
        "Identities held out of training for the correlations and for choosing anything: "
        "a fraction below 1, or a number. The paper's is 1/7.",
    )
    test_data: str = setting("", "Test faces, named as for --data. Default: held-out pairs.")
    test_pairs: str = setting(
        "", "Pairs to verify on --test_data, in LFW's format; 'lfw' has its View 2."
    )
    held_out_images: float = setting(
        0.0,
        "Share of each training identity's images that is not trained on but classified in the "
        "end, as the poster measures accuracy.",
    )
    held_out_pairs: int = setting(3000, "Pairs drawn from the held-out identities for testing.")
    training_pairs: int = setting(
        0, "Pairs drawn from the training identities, verified too: Table 7's training error."
    )
    sampling: str = setting(
        "images", "Pairs go through all 'images' evenly, or draw all 'identities' equally often."
    )
    max_images: int = setting(0, "Training images of an identity at most; 0: all of them.")
    ordered: bool = setting(
        True, "The same order of batches on every run; --noordered lets quick ones overtake."
    )
    data_service: str = setting(
        "", "Address of a tf.data service that makes the training batches (needs --noordered)."
    )

    # Region and augmentation
    region: str = setting(
        "face",
        "Part of the face, a name in --regions. Several, joined by commas, or 'all' are trained one "
        "after another, each in a folder of --output.",
    )
    regions: str = setting("", "Table of the regions, CSV. Default: the 25 of pipelines/regions.csv.")
    flip: bool = setting(True, "Mirror half of the training images.")
    jitter: float = setting(0.0, "Error added to the landmarks, in distances between the eyes.")
    rotation: float = setting(0.0, "Turn training images by up to so many degrees either way.")
    scaling: float = setting(0.0, "Scale them by up to this share either way, e.g. 0.15.")
    shift: float = setting(0.0, "Shift them by up to this share of the crop either way.")
    brightness: float = setting(0.0, "Change the brightness by up to this share of its range.")
    contrast: float = setting(0.0, "Change the contrast by up to this share either way.")
    blur: float = setting(0.0, "Blur them with a Gaussian of up to so many pixels.")
    occlusion: float = setting(0.0, "Cover up to this share of half of the images.")

    # Network
    network: str = setting(
        "baseline",
        "'baseline' (Table 1), 'deepid2plus', 'vgg16' (the poster's), or one to compare with: "
        "'mobilefacenet', 'mobilenet', 'squeezenet'.",
    )
    width: int = setting(
        0,
        "Width of the network's input, in pixels; the region's shape gives the height. 0: 47 for "
        "'deepid2plus', 96 for all others.",
    )
    width_multiplier: float = setting(1.0, "Multiplies the maps and features of every layer.")
    study: bool = setting(
        False, "Leave out block 1 of 'baseline' (use with half the input size: --width=48)."
    )
    normalization: bool = setting(
        False,
        "Batch normalisation before every ReLU below f, for 'baseline' and 'deepid2plus'; the "
        "others have it or not as published.",
    )
    prioritise: bool = setting(
        False,
        "Scales of normalisations start at 1, 1 - 1/N, …, 1/N: channels in order of importance.",
    )
    lambda_s: float = setting(0.0, "Weight of the sum of the |scales|, until channels are pruned.")
    lambda_m: float = setting(0.0, "Weight of the sum of their rises from channel to channel.")

    dropout_5b: float = setting(
        0.3, "Share of 5b's outputs dropped in training (Sec. 3: 0.3); 'deepid2plus' has no 5b."
    )
    dropout_f: float = setting(0.5, "Share of f and of the branches dropped (Sec. 3: 0.5).")

    # Supervision
    branches: list = setting(["pool3", "pool4"], "Stages supervised beside f.")
    identification: str = setting(
        "softmax", "Identification signal: 'softmax', or with a margin 'arcface' or 'cosface'."
    )
    softmax_margin: float = setting(
        -1.0,
        "Margin of 'arcface', in radians, or of 'cosface', in cosines; below 0: the one published, "
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
    verification_weight: float = setting(0.05, "Lambda of the verification signal (DeepID2).")
    margin: str = setting(
        "data",
        "Margin of the verification signal: a number, or 'data' for the distance that best "
        "parts the training pairs, measured anew at every checkpoint.",
    )

    # Stages
    sparsify: list = setting(
        [],
        "One more stage of Table 2, e.g. '1/256-f', or '1/128-5b:obd' with a criterion of its own; "
        "repeat in order, first stage first. 'channels' prunes the channels by --prune_threshold, "
        "'1/2-channels:norm' keeps half of them by a criterion: "
        f"{', '.join(channel_criteria())}.",
        repeated=True,
    )
    from_scratch: bool = setting(
        False,
        "Give the last stage's network new weights once its masks are chosen, and train it as long "
        "as the baseline: Table 7.",
    )
    criterion: str = setting(
        "correlation",
        f"Which weights are kept: {', '.join(criteria())}, or one of --criteria_file; settings "
        "follow it, as in 'brp,strength=1e-4'.",
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

    # Channels
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

    # Schedule
    pairs: int = setting(64, "Pairs in a mini-batch.")
    steps: int = setting(0, "Mini-batches of the baseline; or give --epochs.")
    epochs: float = setting(0.0, "Passes over the training images of the baseline.")
    retrain_steps: int = setting(0, "Mini-batches of each re-training; or --retrain_epochs.")
    retrain_epochs: float = setting(0.0, "Passes over the training images of each re-training.")
    optimizer: str = setting("adamw", "'adamw' or 'sgd' (momentum 0.9).")
    learning_rate: float = setting(1e-3, "Highest learning rate of the baseline.")
    retrain_learning_rate: float = setting(0.0, "The same of the re-trainings; 0: equal.")
    beta_1: float = setting(0.9, "Decay of the mean gradient (adamw), or the momentum (sgd).")
    weight_decay: float = setting(1e-4, "Weight decay, decoupled (adamw) or not (sgd).")
    schedule: str = setting(
        "cosine",
        "'cosine': warm-up, then half a cosine down to 1 %. 'smooth': the paper's slow decay "
        "and fine-tuning at a tenth.",
    )
    warmup: float = setting(0.05, "Share of a stage with a rising rate ('cosine').")
    decay: float = setting(0.67, "Factor of the rate over --decay_steps ('smooth').")
    decay_steps: int = setting(
        140_000, "Mini-batches for that factor; re-trainings decay twice as fast ('smooth')."
    )
    finetune: float = setting(1 / 15, "Last share of the baseline at a tenth ('smooth').")
    retrain_finetune: float = setting(1 / 7, "The same of each re-training ('smooth').")

    patience: int = setting(
        0,
        "End a stage after so many passes over the training images without a better accuracy on "
        "pairs of the held-out people, and go back to its best weights; 0: no. For a --schedule "
        "whose rate stays high, such as 'smooth'.",
    )

    # Run
    output: str = setting("runs/sparseface", "Folder of the results; a run there is resumed.")
    seed: int = setting(0, "Seed of everything random.")
    precision: str = setting(
        "auto", "'float32', 'mixed_bfloat16', 'mixed_float16', or 'auto': what is fastest here."
    )
    deterministic: bool = setting(False, "Same results to the bit on every run; slower.")
    checkpoint_steps: int = setting(200, "Mini-batches between two checkpoints.")

    def check(self):
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        check(self)

    def widths(self):
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

    def scale_settings(self):
        """What networks are given as `normalization`: False, True or settings of the scales."""
        if not (self.prioritise or self.lambda_s or self.lambda_m):
            return self.normalization
        settings = {}
        if self.prioritise:
            settings["gamma_initializer"] = DecreasingScales()
        if self.lambda_s or self.lambda_m:
            settings["gamma_regularizer"] = ChannelPenalty(self.lambda_s, self.lambda_m)
        return settings

    def open_faces(self, name=None):
        """The source of faces of that name; default: --data."""
        return open_faces(
            name or self.data,
            identities=self.identities,
            images_per_identity=self.images_per_identity,
            seed=self.seed,
        )

    def augmentation(self):
        """The `Augmentation` of training images."""
        names = [field.name for field in dataclasses.fields(Augmentation)]
        try:
            return Augmentation(**{name: getattr(self, name) for name in names})
        except ValueError as error:
            raise ValueError(f"--{error}") from None

    def identification_loss(self):
        """The identification signal, a `keras.losses.Loss`."""
        return identification_loss(
            self.identification,
            None if self.softmax_margin < 0 else self.softmax_margin,
            self.softmax_scale or None,
        )

    def runs(self):
        """One experiment for each region, in the order given; itself if there is one only.

        Raises:
            ValueError: for a region that is not in the table.
        """
        table = read_regions(self.regions or TABLE)
        names = list(table) if self.region == "all" else self.region.split(",")
        for name in names:
            if name not in table:
                raise ValueError(f"--region={name}: no such region; there are {', '.join(table)}.")
        if len(set(names)) < len(names):
            raise ValueError(f"--region={self.region} has a region twice.")
        if len(names) == 1:
            return [self]
        return [
            dataclasses.replace(self, region=name, output=os.path.join(self.output, name))
            for name in names
        ]

    def region_of_face(self):
        """The `Region` that the network sees, at the network's input size."""
        region = read_regions(self.regions or TABLE)[self.region]
        return region.scaled(self.width or NETWORKS[self.network].input_width)

    def layers(self):
        """Names of the network's layers that have weights, from the input up."""
        layers = NETWORKS[self.network].layers
        return layers[2:] if self.study else layers

    def stages(self):
        """The (layer, S) of every re-training, first stage first, see `structure.stages`."""
        return stages(self.sparsify, self.layers())

    def criteria(self):
        """The criterion of every re-training, first stage first, a list of `Criterion`.

        Raises:
            ValueError, OSError: for an unknown criterion, settings that it has not, a file that
                defines none, or a criterion that cannot do what is asked.
        """
        if self.criteria_file:
            load_criteria(self.criteria_file)
        flags = [("criterion", self.criterion, self.criterion, None, None)]
        for text, stage in zip(self.sparsify, self.stages()):
            own = text.strip().partition(":")[2]
            if not own and stage[0] == CHANNELS:
                own = "gamma"
            flags.append(("sparsify", text, own, *stage) if own else (*flags[0][:3], *stage))
        found = []
        for flag, value, text, layer, kept in flags:
            try:
                if layer == CHANNELS:
                    found.append(channel_criterion(text))
                    found[-1].check(kept)
                    continue
                found.append(criterion(text, lam=self.lam, memory=self.correlation_memory))
                found[-1].check(self.block, kept)
            except ValueError as error:
                raise ValueError(f"--{flag}={value}: {error}") from None
        return found[1:]

    def retrains(self, stage):
        """Whether a stage goes on from the one before: all but the first and one from scratch."""
        return stage > 0 and not (self.from_scratch and stage == len(self.sparsify))

    def stage_steps(self, stage, images):
        """Number of mini-batches of a stage, given the number of training images."""
        steps, epochs = (
            (self.retrain_steps, self.retrain_epochs)
            if self.retrains(stage)
            else (self.steps, self.epochs)
        )
        return steps or max(1, round(epochs * images / (2 * self.pairs)))

    def description(self):
        """What experiment.json holds: a dict of all settings but --output."""
        mine = {k: v for k, v in dataclasses.asdict(self).items() if k != "output"}
        # The region's row, not only the table's path: the table may be changed meanwhile.
        mine["regions"] = json.loads(json.dumps(dataclasses.asdict(self.region_of_face())))
        if self.criteria_file:
            # Likewise.
            with open(self.criteria_file, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            mine["criteria_file"] = f"{self.criteria_file} (SHA-256 {digest[:12]}…)"
        return mine

    def differences(self, theirs, but=()):
        """What differs from another run, as on the command line.

        A setting that is younger than the other run has its default there.

        Args:
            theirs: the content of its experiment.json.
            but: names of settings that may differ.

        Returns:
            List of strings, "--NAME was …, is …".
        """
        mine, theirs = self.description(), {**dataclasses.asdict(Experiment()), **theirs}
        theirs.pop("output", None)
        return [
            f"--{name} was {theirs.get(name)!r}, is {mine.get(name)!r}"
            for name in {**theirs, **mine}
            if theirs.get(name) != mine.get(name) and name not in but
        ]

    def claim(self):
        """Makes the output folder this run's own, or resumes the run that is in it.

        Raises:
            ValueError: if another run, or something else, is in the folder.
            OSError: if the folder cannot be made or written.
        """
        os.makedirs(self.output, exist_ok=True)
        path = os.path.join(self.output, SETTINGS)
        if os.path.exists(path):
            differences = self.differences(read_json(path))
            if differences:
                raise ValueError(
                    f"{self.output} holds a run with other settings ({'; '.join(differences)}): "
                    "choose another --output, or give the settings of that run to resume it."
                )
            return
        if os.listdir(self.output):
            raise ValueError(f"{self.output} is not empty and holds no run: choose another.")
        write_json(path, self.description())
