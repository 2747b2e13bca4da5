"""The poster's table: one network at several widths, and its peers."""

import dataclasses

from sparseface_tf.evaluation.bootstrap import interval_of_share
from sparseface_tf.reproduction import plots
from sparseface_tf.reproduction.chains import LEVELS, POSTER_STAGE, Chain
from sparseface_tf.reproduction.measures import OVER_IMAGES, OVER_PAIRS, Claim, Measure, paired
from sparseface_tf.reproduction.published import POSTER
from sparseface_tf.reproduction.tables.base import (
    NONE,
    Findings,
    Table,
    paired_rows,
    told,
    told_difference,
    told_published,
)

PRIORITISED = Chain((POSTER_STAGE,), network="vgg16_prioritised")
WHOLE = Chain(network="vgg16")
HALF = "1/2-channels"
# Half of the channels, chosen in other ways: title -> network.
CRITERIA = {
    "γ, prioritised": Chain((f"{HALF}:gamma",), network="vgg16_prioritised"),
    "first ones, prioritised": Chain((f"{HALF}:prefix",), network="vgg16_prioritised"),
    "γ, network slimming": Chain((f"{HALF}:gamma",), network="vgg16_slimming"),
    "filters' norm": Chain((f"{HALF}:norm",), network="vgg16"),
    "random": Chain((f"{HALF}:random",), network="vgg16"),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the poster's table.

    Attributes:
        title: what stands in front, a key of `POSTER` if the poster has it.
        chain: the network.
        width: share of its channels.
        classifier: "accuracy", of the softmax, or "nearest_centre".
    """

    title: str
    chain: Chain
    width: float = 1.0
    classifier: str = "accuracy"


def rows():
    """The rows of the poster's table, and a few more, a list of `Row`."""
    peers = {"MobileNet": "mobilenet", "SqueezeNet": "squeezenet", "MobileFaceNet": "mobilefacenet"}
    found = [Row("VGG-16", WHOLE)]
    found += [Row(title, Chain(network=network)) for title, network in peers.items()]
    found.append(Row("nearest centre", PRIORITISED, classifier="nearest_centre"))
    for text in LEVELS:
        found.append(Row(f"{100 * float(text):g} %", PRIORITISED, float(text)))
    return found


def halves():
    """The rows of half of the channels by each criterion, a list of `Row`."""
    return [Row(title, chain) for title, chain in CRITERIA.items()]


# Which row the poster has above which.
COMPARED = (
    ("100 %", "VGG-16"),
    ("100 %", "nearest centre"),
    ("100 %", "75 %"),
    ("75 %", "50 %"),
    ("50 %", "MobileNet"),
    ("50 %", "SqueezeNet"),
)


class Poster(Table):
    """The poster's table, and half of the channels by other criteria."""

    name = "poster"
    title = "The poster: one network at several widths"

    def missing(self):
        if self.name in self.reproduction.table:
            return ""
        return "the poster's table, all of whose networks are its own: --table=poster makes it."

    def chains(self):
        return [*dict.fromkeys(row.chain for row in rows()), *CRITERIA.values()]

    def findings(self, results):
        main = [
            ["network", "classification", "poster", "verification", "multiply-adds, G",
             "poster, of both", "parameters, M", "poster", "seeds"]
        ]  # fmt: skip
        measured = {row: _measures(results, row) for row in (*rows(), *halves())}
        numbers, by_title = [], {row.title: row for row in rows()}
        for row in by_title.values():
            found = measured[row]
            published = POSTER.get(row.title, (None,) * 3)
            main.append(
                [
                    row.title,
                    told(found["classification"]),
                    told_published(published[0], 4),
                    told(found["verification"]),
                    _number(found["multiply-adds"], 1e9),
                    told_published(published[1]),
                    _number(found["parameters"], 1e6),
                    told_published(published[2]),
                    str(len(results.seeds(row.chain))),
                ]
            )
            values = {name: dataclasses.asdict(one) for name, one in found.items() if one}
            numbers.append({"network": row.title, "measured": values, "published": published})
        compared = [
            _compared(results, by_title[better], by_title[worse]) for better, worse in COMPARED
        ]
        above = {row: _compared(results, row, by_title["VGG-16"]) for row in halves()}
        tables = {self.title: main, "Half of the channels": self._criteria(results, measured, above)}
        tests = [one for one in (*compared, *above.values()) if one]
        if tests:
            tables["Paired tests on the same images"] = paired_rows(tests)
        return Findings(
            tables=tables,
            claims=_claims(compared),
            notes=_NOTES,
            figures={"widths": (_CAPTION, self._plot(measured))},
            numbers={"rows": numbers, "paired": [dataclasses.asdict(one) for one in tests]},
        )

    def _criteria(self, results, measured, above):
        """The table of half of the channels, from all rows' measures and comparisons with VGG-16."""
        table = [["criterion", "classification", "points above VGG-16", "verification",
                  "multiply-adds, G", "parameters, M", "seeds"]]  # fmt: skip
        for row in halves():
            found = measured[row]
            table.append(
                [
                    row.title,
                    told(found["classification"]),
                    told_difference(above[row].difference if above[row] else None),
                    told(found["verification"]),
                    _number(found["multiply-adds"], 1e9),
                    _number(found["parameters"], 1e6),
                    str(len(results.seeds(row.chain))),
                ]
            )
        return table

    def _plot(self, measured):
        """The plot of the rows' places, with those of the criteria for half of the channels."""
        places = {row.title: _place(measured[row]) for row in rows()}
        places |= {f"½, {row.title}": _place(measured[row]) for row in halves()}
        published = {name: (adds, accuracy) for name, (accuracy, adds, _) in POSTER.items()}
        parts = []
        for one in (places, published):
            known = {name: place for name, place in one.items() if place}
            widths = {name: place for name, place in known.items() if name.endswith("%")}
            parts += [widths, {name: known[name] for name in known if name not in widths}]
        return plots.plot_widths(*parts)


# Quantity -> function of a part of a metrics.json, that of the width, the row and the test.
_QUANTITIES = {
    "classification": lambda metrics, row, test: metrics["classification"][row.classifier],
    "verification": lambda metrics, row, test: metrics["verification"][test]["accuracy"],
    "multiply-adds": lambda metrics, row, test: metrics["multiply_adds"],
    "parameters": lambda metrics, row, test: metrics["parameters_kept"],
}


def _measures(results, row):
    """All quantities of a row, a dict."""
    return {name: _measure(results, row, name) for name in _QUANTITIES}


def _place(found):
    """Where a row stands in the plot: (multiply-adds in G, accuracy), or None."""
    adds, accuracy = found["multiply-adds"], found["classification"]
    return (adds.mean / 1e9, accuracy.mean) if accuracy else None


def _measure(results, row, name):
    """A quantity of a row over seeds, a `Measure`; None if no seed has it."""
    values, read = {}, _QUANTITIES[name]
    for seed in results.seeds(row.chain):
        metrics = results.metrics(row.chain, seed)
        if row.width < 1:
            metrics = metrics["levels"][f"{row.width:g}"]
        values[seed] = read(metrics, row, results.test)
    if not values:
        return None
    interval, over = None, ""
    if len(values) == 1 and name in _ANSWERS:
        answers, over = _ANSWERS[name]
        one = next(iter(answers(results, row).values()), None)
        interval = interval_of_share(one["right"], one["identities"]) if one else None
    return Measure.of(values, interval, over)


def _classified(results, row):
    """Dict from seed to which held-out images are identified, and whose they are."""
    found = {}
    for seed in results.seeds(row.chain):
        answers = results.answers(row.chain, seed, "classification", row.width)
        if answers:
            right = answers[row.classifier]
            found[seed] = {"right": right, "identities": answers["identities"]}
    return found


def _verified(results, row):
    """Dict from seed to which pairs are decided correctly, and whose they are."""
    return {
        seed: results.answers(row.chain, seed, results.test, row.width)
        for seed in results.seeds(row.chain)
    }


# What a quantity is the share of right ones of, and what an interval of a single seed is of.
_ANSWERS = {"classification": (_classified, OVER_IMAGES), "verification": (_verified, OVER_PAIRS)}


def _compared(results, row, other):
    """Two rows on the same held-out images, a `Paired`; None if no seed has both."""
    answers = _classified(results, row), _classified(results, other)
    return paired(row.title, other.title, *answers, OVER_IMAGES)


def _number(measure, unit):
    return NONE if measure is None else f"{measure.mean / unit:.3f}"


def _claims(compared):
    claims = []
    for (better, worse), found in zip(COMPARED, compared):
        published = POSTER[better][0] - POSTER[worse][0]
        claims.append(Claim.of(f"{better} above {worse}", found, published))
    return claims


_CAPTION = "Held-out images identified, over the multiply-adds; ½: half of the channels."
_NOTES = [
    "Rows in per cent are the prioritised VGG-16, its channels under the threshold pruned, at that "
    "share of what is left of each layer's; all widths have the same weights.",
    "Classification: share of held-out images of training identities that the softmax, or the "
    "nearest class centre, identifies. The poster's are of other identities and images. "
    "Verification: of pairs of other people, by cosine.",
    "The poster's multiply-adds count multiplications and additions apart (but SqueezeNet's and, a "
    "digit off, MobileNet's), with the classifier; here a multiply-add counts once, without it. Its "
    "parameters have the classifier too.",
    "Half of the channels: of the whole network by γ, of each layer by the others; then fine-tuned "
    "at this width only, normalisations frozen.",
    "Mean ± standard error over seeds; intervals are 95 %, of Student's t over seeds. A single seed "
    "has one of its images or pairs instead, by bootstrap over identities.",
]
