"""What a table is, and those with a row for each network."""

import dataclasses

from sparseface_tf.evaluation.tables import formatted, formatted_interval, formatted_p
from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.measures import Claim

# The paper's structure, layer by layer.
F, FIVE_B, FOUR_B = "1/256-f", "1/128-5b", "1/2-4b"
STRUCTURE = (F, FIVE_B, FOUR_B)
DENSE, N1, N2, N3 = (Chain(STRUCTURE[:layers]) for layers in range(4))
NONE = "—"
OVER_SEEDS = "Mean ± standard error over seeds; intervals are 95 %, of Student's t over seeds."


@dataclasses.dataclass
class Findings:
    """A table's content.

    Attributes:
        tables: dict from a caption to rows of strings, the first row the head; the first one is
            the paper's.
        claims: list of `Claim`.
        notes: sentences on how to read it.
        figures: dict from a name to (caption, matplotlib figure).
        numbers: everything behind it, to be written as JSON.
    """

    tables: dict
    claims: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)
    numbers: dict = dataclasses.field(default_factory=dict)


class Table:
    """A table or figure of the paper.

    Attributes of the class:
        name: as of --table.
        title: its headline.

    Args:
        reproduction: the `Reproduction`, which has what some tables ask for.
    """

    name = title = ""

    def __init__(self, reproduction):
        self.reproduction = reproduction

    def missing(self):
        """What a user has to give for this table, in one line; "" if it is there."""
        return ""

    def chains(self):
        """The networks that it is made from, a list of `Chain` in the order of training."""
        return []

    def measure(self, runs, seed, settings):
        """Measures, of the finished networks of a seed, what their runs have not.

        Args:
            runs: the `Runs`.
            seed: integer.
            settings: `Experiment` of the scale.
        """

    def findings(self, results):
        """The table, from the `Results` that there are: `Findings`."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Row:
    """A network's row.

    Attributes:
        cells: what stands in front, a tuple of strings.
        chain: the network.
        published: dict from a quantity to the paper's figure.
        reference: `Chain` that it is compared with on the same pairs, or None.
    """

    cells: tuple
    chain: Chain
    published: dict = dataclasses.field(default_factory=dict)
    reference: Chain | None = None


class NetworkTable(Table):
    """A table with a row for each network.

    Attributes of the class:
        front: heads of the cells in front of the rows, a tuple.
        quantities: what is given of each network, names in `results.QUANTITIES`.
        reference: what the rows' references are called.
    """

    front: tuple[str, ...] = ("network",)
    quantities: tuple[str, ...] = ("accuracy", "compression ratio")
    reference = "dense"

    def rows(self):
        """List of `Row`."""
        raise NotImplementedError

    def claims(self, results):
        """List of `Claim`."""
        return []

    def notes(self, results):
        """List of sentences."""
        return []

    def figures(self, results):
        """Dict from a name to (caption, figure)."""
        return {}

    def chains(self):
        return [row.chain for row in self.rows()]

    def findings(self, results):
        rows, compared = self.rows(), {}
        for row in rows:
            if row.reference is not None:
                compared[row.chain] = results.paired(row.chain, row.reference)
        tables = {self.title: self._main(rows, results, compared)}
        if any(compared.values()):
            tables["Paired tests on the same pairs"] = paired_rows(filter(None, compared.values()))
        return Findings(
            tables=tables,
            claims=self.claims(results),
            notes=[*self.notes(results), *results.how()],
            figures=self.figures(results),
            numbers={"rows": [self._as_json(row, results, compared) for row in rows]},
        )

    def _main(self, rows, results, compared):
        published = {q for row in rows for q in row.published}
        head = list(self.front)
        for quantity in self.quantities:
            head += [quantity] + [f"{quantity}, paper"] * (quantity in published)
            if quantity == "accuracy" and any(compared.values()):
                head.append(f"points above {self.reference}")
        table = [[*head, "seeds"]]
        for row in rows:
            line = list(row.cells)
            for quantity in self.quantities:
                line.append(told(results.measure(row.chain, quantity)))
                if quantity in published:
                    digits = 4 if quantity == "accuracy" else None
                    line.append(told_published(row.published.get(quantity), digits))
                if quantity == "accuracy" and any(compared.values()):
                    found = compared.get(row.chain)
                    line.append(told_difference(found.difference) if found else NONE)
            table.append([*line, str(len(results.seeds(row.chain)))])
        return table

    def _as_json(self, row, results, compared):
        found = compared.get(row.chain)
        measured = {q: results.measure(row.chain, q) for q in self.quantities}
        return {
            **dict(zip(self.front, row.cells)),
            "network": row.chain.title,
            "stages": {
                seed: results.runs.stage(row.chain, seed) for seed in results.seeds(row.chain)
            },
            "weights kept": results.weights(row.chain),
            "measured": {q: dataclasses.asdict(one) for q, one in measured.items() if one},
            "published": row.published,
            "paired": dataclasses.asdict(found) if found else None,
        }

    def claim(self, results, text, higher, lower, quantity="accuracy"):
        """The claim that one network is the more accurate, or has more of another quantity.

        Args:
            results: `Results`.
            text: of the claim.
            higher, lower: `Chain`s of rows.
            quantity: in `results.QUANTITIES`.
        """
        published = {row.chain: row.published.get(quantity) for row in self.rows()}
        known = [published.get(higher), published.get(lower)]
        figure = None if None in known else known[0] - known[1]
        if quantity == "accuracy":
            return Claim.of(text, results.paired(higher, lower), figure)
        return Claim(text, results.difference(higher, quantity, lower), figure, scale=1)


def told(measure):
    """A `Measure` as it is printed: "0.8158 ± 0.0046", or with its interval for one seed."""
    if measure is None:
        return NONE
    text = formatted(measure.mean)
    if measure.standard_error is not None:
        return f"{text} ± {formatted(measure.standard_error, measure.mean)}"
    return f"{text} {formatted_interval(measure.interval, measure.mean)}".rstrip()


def told_published(value, digits=None):
    """A figure of the paper with so many digits, or as many as there are; "—" where it has none."""
    if value is None:
        return NONE
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"


def told_difference(measure, scale=100):
    """A difference with its sign and interval, such as "+0.80 [−0.20, 1.80]"; shares in points."""
    if measure is None:
        return NONE
    digits = 2 if scale == 100 else 4
    text = f"{scale * measure.mean:+.{digits}f}"
    if measure.interval:
        text += " [" + ", ".join(f"{scale * x:.{digits}f}" for x in measure.interval) + "]"
    return text.replace("-", "−")


def paired_rows(found):
    """`Paired`s as rows of strings, the first row the head."""
    head = ["first", "second", "difference, in points", "its 95 % interval is of",
            "only first correct", "only second correct", "McNemar's p, seed by seed"]
    rows = [
        [
            one.first,
            one.second,
            told_difference(one.difference),
            one.difference.over or NONE,
            f"{one.only_first:,}",
            f"{one.only_second:,}",
            ", ".join(formatted_p(each.p_value) for each in one.comparisons.values()),
        ]
        for one in found
    ]
    return [head, *rows]
