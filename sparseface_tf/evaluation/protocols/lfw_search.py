"""Identification on LFW: the closed and open sets of trials, and BLUFR."""

from sparseface_tf.evaluation import blufr, identification
from sparseface_tf.evaluation.protocols.place import Found, missing_facts, number_of
from sparseface_tf.evaluation.section import Number, Run


class LfwIdentification:
    """Closed- and open-set identification on LFW."""

    title = "LFW, identification"
    of_pairs = False
    how = f"{identification.ClosedResult.how} Open set: {identification.OpenResult.how}"

    def __init__(self, place):
        self.source = place.faces()
        path = place.list("identification.json", "lfw/identification.json")
        self.test = identification.read_identification(path, self.source, place.allow_missing)
        closed, open_ = self.test.closed[0], self.test.open[0]
        self.facts = [
            f"{len(self.test.closed)} closed-set trials, in the first {len(closed.gallery):,} "
            f"people in the gallery and {len(closed.probes):,} probes; {len(self.test.open)} "
            f"open-set trials, in the first {len(open_.gallery):,} people, "
            f"{len(open_.genuine):,} probes of them and {len(open_.impostors):,} of others.",
            *missing_facts(self.test, "places"),
        ]

    def run(self, features, names, make_scorer, learned):
        scorer = make_scorer()
        closed = identification.evaluate_closed(features, self.test, scorer)
        open_ = identification.evaluate_open(features, self.test, scorer)
        numbers = {
            "closed set, rank 1": number_of(closed.rank_1, "standard error"),
            "open set, rank 1 at 1 % false alarms": number_of(open_.rank_1.rate, "standard error"),
        }
        run = Run(*names, numbers, search=open_.curve, cmc=closed.cmc)
        return Found({"closed": closed, "open": open_}, run)


class Blufr:
    """BLUFR."""

    title = "BLUFR"
    of_pairs = False
    how = blufr.HOW

    def __init__(self, place):
        self.source = place.faces()
        path = place.list("blufr_lfw_config.mat", "lfw/blufr_lfw_config.mat")
        self.test = blufr.read_blufr(path, self.source, place.allow_missing)
        self.facts = [
            f"{len(self.test.trials)} trials on {len(self.test.images):,} images.",
            *missing_facts(self.test),
        ]

    def run(self, features, names, make_scorer, learned):
        result = blufr.evaluate_blufr(
            features, self.test, make_scorer, learn=not learned, title=f"BLUFR, {', '.join(names)}"
        )
        numbers = {
            "verification rate at FAR 0.1 %": number_of(result.verification.rate),
            "detection and identification at 1 % false alarms": number_of(
                result.identification.rate
            ),
            "the first, mean - std": Number(result.verification_below),
            "the second, mean - std": Number(result.identification_below),
        }
        run = Run(
            *names, numbers, roc=result.verification_curve, search=result.identification_curve
        )
        return Found(result, run)
