"""How long the stages are, and how their weights are updated."""

import dataclasses

import keras

from pipelines.command_line import setting
from sparseface_tf.training.optimizers import learning_rates, stage_optimizer
from sparseface_tf.training.settings.ranges import check_choice, check_range


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Mini-batches, optimizer and learning rates of the baseline and of the re-trainings."""

    pairs: int = setting(64, "Pairs in a mini-batch.")
    steps: int = setting(0, "Mini-batches of the baseline; or give --epochs.")
    epochs: float = setting(0.0, "Passes over the training images of the baseline.", key=True)
    retrain_steps: int = setting(0, "Mini-batches of each re-training; or --retrain_epochs.")
    retrain_epochs: float = setting(
        0.0, "Passes over the training images of each re-training.", key=True
    )
    optimizer: str = setting("adamw", "'adamw' or 'sgd' (momentum 0.9).")
    learning_rate: float = setting(1e-3, "Highest learning rate of the baseline.", key=True)
    retrain_learning_rate: float = setting(0.0, "The same of the re-trainings; 0: equal.")
    beta_1: float = setting(0.9, "Decay of the mean gradient (adamw), or the momentum (sgd).")
    weight_decay: float = setting(
        1e-4,
        "Weight decay of the kernels: decoupled from the gradient (adamw), or in the gradient as "
        "Caffe has it (sgd).",
    )
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

    def check(self, retrainings: int) -> None:
        """Raises ValueError, in one line, on the first setting that makes no sense.

        Args:
            retrainings: number of the re-trainings.
        """
        check_choice(self, "optimizer", ("adamw", "sgd"))
        check_choice(self, "schedule", ("cosine", "smooth"))
        check_range(self, "pairs", least=1)
        if self.pairs % 2:
            raise ValueError(f"--pairs must be even, half of them the same, got {self.pairs}.")
        check_range(self, "learning_rate", above=0)
        check_range(self, "retrain_learning_rate", "weight_decay", "patience", least=0)
        check_range(self, "warmup", "finetune", "retrain_finetune", least=0, most=1)
        check_range(self, "decay", above=0, most=1)
        check_range(self, "beta_1", least=0, below=1)
        check_range(self, "steps", "epochs", "retrain_steps", "retrain_epochs", least=0)
        if bool(self.steps) == bool(self.epochs):
            raise ValueError("Give the length of the baseline as --steps or as --epochs.")
        if retrainings and bool(self.retrain_steps) == bool(self.retrain_epochs):
            raise ValueError("Give the re-trainings' length as --retrain_steps or _epochs.")

    def length(self, images: int, *, retrains: bool) -> int:
        """Number of mini-batches of a stage.

        Args:
            images: number of the training images.
            retrains: whether the stage is a re-training.
        """
        steps, epochs = (
            (self.retrain_steps, self.retrain_epochs) if retrains else (self.steps, self.epochs)
        )
        return steps or max(1, round(epochs * images / (2 * self.pairs)))

    def stage_optimizer(
        self, model: keras.Model, steps: int, *, retrains: bool
    ) -> keras.optimizers.Optimizer:
        """The unbuilt optimizer that trains a model in a stage of so many mini-batches."""
        peak = (self.retrain_learning_rate if retrains else 0) or self.learning_rate
        rates = learning_rates(
            self.schedule,
            peak,
            steps,
            warmup=self.warmup,
            decay=self.decay,
            decay_steps=self.decay_steps / (2 if retrains else 1),
            finetune=self.retrain_finetune if retrains else self.finetune,
        )
        return stage_optimizer(
            self.optimizer, rates, model, beta_1=self.beta_1, weight_decay=self.weight_decay
        )
