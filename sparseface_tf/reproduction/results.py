"""What the finished networks were found to be, each file read once."""

import functools

from sparseface_tf.evaluation.bootstrap import interval_of_share
from sparseface_tf.reproduction.measures import OVER_PAIRS, Measure, paired


class Results:
    """Numbers of networks over seeds.

    Args:
        runs: the `Runs`.

    Attributes:
        runs: the same.
        test: the test that accuracies are of: "test", or "held_out" where there is no other.
        metrics, answers: as of `Runs`, each file read once.
    """

    def __init__(self, runs, chains):
        self.runs = runs
        self.metrics = functools.cache(runs.metrics)
        self.answers = functools.cache(runs.answers)
        found = next(((c, s) for c in chains for s in runs.seeds_of(c)), None)
        tests = self.metrics(*found)["verification"] if found else {}
        self.test = "test" if "test" in tests else "held_out"

    def how(self):
        """How accuracies and their intervals were obtained, a list of sentences."""
        pairs = "but not in the pairs: the intervals say what another seed would give on these"
        if self.test != "test":
            pairs = "and so in the pairs: the intervals say what another seed would give"
        return [
            "Paper: with Joint Bayesian, of networks trained on 290,000 images. Here pairs are "
            "verified by the cosine of features, those of an image and of its mirror image "
            "summed, at the threshold that is best on the other nine folds.",
            "Mean ± standard error over seeds, which differ in weights, batches, masks and in who "
            f"is held out, {pairs}. A single seed has a 95 % interval of its pairs instead, by "
            "bootstrap over identities.",
        ]

    def measure(self, chain, quantity):
        """A quantity of a network, one of `QUANTITIES`: a `Measure`, or None."""
        read = QUANTITIES[quantity]
        values = {seed: read(self.metrics(chain, seed), self.test) for seed in self.seeds(chain)}
        values = {seed: value for seed, value in values.items() if value is not None}
        if not values:
            return None
        interval = None
        if len(values) == 1 and quantity == "accuracy":
            pairs = self.answers(chain, *values, self.test)
            interval = interval_of_share(pairs["right"], pairs["identities"])
        return Measure.of(values, interval, OVER_PAIRS)

    def seeds(self, chain):
        """Seeds whose network is finished, a list."""
        return self.runs.seeds_of(chain)

    def weights(self, chain):
        """Weights that a network keeps, an integer; None if there is none."""
        seeds = self.seeds(chain)
        return self.metrics(chain, seeds[0])["parameters_kept"] if seeds else None

    def paired(self, first, second, test=None):
        """Two networks on the same pairs, a `Paired`; None if no seed has both.

        Args:
            first, second: `Chain`s.
            test: as of `Runs.answers`; default: that of the accuracies.
        """
        scores = [
            {seed: self.answers(chain, seed, test or self.test) for seed in self.seeds(chain)}
            for chain in (first, second)
        ]
        return paired(first.title, second.title, *scores, OVER_PAIRS)

    def difference(self, chain, quantity, other, other_quantity=None):
        """A quantity of a network less that of another, seed by seed: a `Measure` or None."""
        one, two = self.measure(chain, quantity), self.measure(other, other_quantity or quantity)
        both = sorted(one.values.keys() & two.values.keys()) if one and two else []
        if not both:
            return None
        return Measure.of({seed: one.values[seed] - two.values[seed] for seed in both})


def _correlation(when):
    return lambda metrics, test: metrics.get("mean_abs_correlation", {}).get(when)


def _training_error(metrics, test):
    training = metrics["verification"].get("training")
    return 1 - training["accuracy"] if training else None


# Name, as tables head it -> function of the content of a metrics.json and the test.
QUANTITIES = {
    "accuracy": lambda metrics, test: metrics["verification"][test]["accuracy"],
    "compression ratio": lambda metrics, test: metrics["compression_ratio"],
    "training error": _training_error,
    "mean |r| before": _correlation("before"),
    "mean |r| after": _correlation("after"),
}
