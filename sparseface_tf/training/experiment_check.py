"""Whether the settings of a run make sense, one by one and together."""

from sparseface_tf.networks import NETWORKS
from sparseface_tf.supervision.signals import IDENTIFICATION
from sparseface_tf.training.structure import CHANNELS

CHOICES = {
    "sampling": ("images", "identities"),
    "identification": IDENTIFICATION,
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "smooth"),
    "precision": ("auto", "float32", "mixed_bfloat16", "mixed_float16"),
}


def check(experiment):
    """Goes through the settings of an `Experiment`.

    Raises:
        ValueError: in one line, on the first setting that makes no sense.
    """
    if experiment.network not in NETWORKS:
        raise ValueError(
            f"--network must be one of {', '.join(NETWORKS)}, got {experiment.network!r}."
        )
    if experiment.study and experiment.network != "baseline":
        raise ValueError("--study leaves out block 1 of the baseline: drop it or --network.")
    if experiment.width < 0:
        raise ValueError(f"--width must be >= 0, got {experiment.width}.")
    _check_channels(experiment)
    numbers = ("checkpoint_steps", "correlation_images", "correlation_memory")
    for name in ("pairs", "channel_multiple", *numbers):
        if getattr(experiment, name) < 1:
            raise ValueError(f"--{name} must be at least 1, got {getattr(experiment, name)}.")
    if experiment.pairs % 2:
        raise ValueError(f"--pairs must be even, half of them the same, got {experiment.pairs}.")
    for name in ("learning_rate", "width_multiplier"):
        if not getattr(experiment, name) > 0:
            raise ValueError(f"--{name} must be above 0, got {getattr(experiment, name)}.")
    for name in ("lam", "warmup", "finetune", "retrain_finetune", "centre_rate"):
        if not 0 <= getattr(experiment, name) <= 1:
            raise ValueError(f"--{name} must be in [0, 1], got {getattr(experiment, name)}.")
    if not 0 < experiment.decay <= 1:
        raise ValueError(f"--decay must be in (0, 1], got {experiment.decay}.")
    if experiment.training_pairs < 0:
        raise ValueError(f"--training_pairs must be >= 0, got {experiment.training_pairs}.")
    if experiment.max_images < 0 or experiment.max_images == 1:
        raise ValueError(f"--max_images must be 0 or at least 2, got {experiment.max_images}.")
    if experiment.data_service and experiment.ordered:
        raise ValueError("--data_service gives batches in any order: add --noordered.")
    experiment.augmentation()
    if experiment.seed < 0:
        raise ValueError(f"--seed must be >= 0, got {experiment.seed}.")
    if experiment.patience < 0:
        raise ValueError(f"--patience must be >= 0, got {experiment.patience}.")
    if experiment.held_out <= 0:
        raise ValueError(f"--held_out must be above 0, got {experiment.held_out}.")
    for name in ("lambda_s", "lambda_m", "centre_weight", "prune_threshold"):
        if not getattr(experiment, name) >= 0:
            raise ValueError(f"--{name} must be >= 0, got {getattr(experiment, name)}.")
    for name in ("dropout_5b", "dropout_f", "held_out_images", "beta_1"):
        if not 0 <= getattr(experiment, name) < 1:
            raise ValueError(f"--{name} must be in [0, 1), got {getattr(experiment, name)}.")
    if experiment.block not in (1, 4):
        raise ValueError(f"--block must be 1 or 4, got {experiment.block}.")
    one_shot = [criterion.one_shot for criterion in experiment.criteria()]
    if experiment.patience and not all(one_shot):
        raise ValueError(
            "--patience goes back to weights of any time in a stage, and a criterion that selects "
            "while it trains has no mask yet: drop one of them."
        )
    if experiment.from_scratch and not (one_shot and one_shot[-1]):
        raise ValueError(
            "--from_scratch gives a sparse stage new weights: it needs a last --sparsify whose "
            "criterion selects at once."
        )
    for name, values in CHOICES.items():
        if getattr(experiment, name) not in values:
            raise ValueError(
                f"--{name} must be one of {', '.join(values)}, got {getattr(experiment, name)!r}."
            )
    try:
        experiment.identification_loss()
    except ValueError as error:
        raise ValueError(f"--identification={experiment.identification}: {error}") from None
    if experiment.margin != "data":
        try:
            if float(experiment.margin) < 0:
                raise ValueError
        except ValueError:
            message = f"--margin must be 'data' or a number >= 0, got {experiment.margin!r}."
            raise ValueError(message) from None
    if bool(experiment.steps) == bool(experiment.epochs):
        raise ValueError("Give the length of the baseline as --steps or as --epochs.")
    if experiment.sparsify and bool(experiment.retrain_steps) == bool(experiment.retrain_epochs):
        raise ValueError("Give the re-trainings' length as --retrain_steps or _epochs.")
    if min(experiment.steps, experiment.epochs, experiment.retrain_steps, experiment.retrain_epochs) < 0:
        raise ValueError("Lengths of stages must not be negative.")
    if bool(experiment.test_data) != bool(experiment.test_pairs) and experiment.test_data != "lfw":
        raise ValueError("--test_data and --test_pairs belong together; give both or neither.")
    if experiment.exclude and experiment.data == "synthetic":
        raise ValueError("--exclude names images of --data, which 'synthetic' has not.")


def _check_channels(experiment):
    """Raises ValueError if what is asked of channels does not go together."""
    pruned = CHANNELS in [layer for layer, _ in experiment.stages()]
    kind = NETWORKS[experiment.network].normalization
    if experiment.normalization and kind != "asked":
        raise ValueError(
            f"--normalization is for 'baseline' and 'deepid2plus'; '{experiment.network}' {kind} has "
            "normalisations."
        )
    for name, asked in (
        ("prioritise", experiment.prioritise),
        ("lambda_s", experiment.lambda_s),
        ("lambda_m", experiment.lambda_m),
        ("sparsify=channels", pruned),
    ):
        if asked and not (experiment.normalization or experiment.network == "vgg16"):
            raise ValueError(
                f"--{name} goes by the scales of normalisations: add --normalization, or take "
                "--network=vgg16."
            )
    widths = experiment.widths()
    if len(widths) > 1 and not (pruned and experiment.freeze):
        raise ValueError(
            "--levels are trained once channels are pruned and normalisations frozen: add "
            "--sparsify=channels, and leave --freeze."
        )
    if pruned and experiment.from_scratch:
        raise ValueError("--from_scratch is for masks only: drop it or --sparsify=channels.")
    if pruned and experiment.channel_multiple % experiment.block:
        raise ValueError(
            f"--block={experiment.block} keeps runs of channels: give a --channel_multiple of it."
        )
