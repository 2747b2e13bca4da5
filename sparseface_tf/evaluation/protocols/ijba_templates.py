"""IJB-A, 1:1 and 1:N."""

from pipelines.sources.boxed_faces import BoxedFaces
from sparseface_tf.evaluation import ijba
from sparseface_tf.evaluation.ijba import search, verification
from sparseface_tf.evaluation.protocols.place import Found, missing_facts, number_of
from sparseface_tf.evaluation.section import Run


class IjbaVerification:
    """IJB-A 1:1."""

    title = "IJB-A, 1:1"
    of_pairs = learns = False

    def __init__(self, place):
        self.fusion = place.templates
        self.how = f"{ijba.FUSIONS[self.fusion]} {verification.HOW}"
        folder = place.list("IJB-A_11_sets", "11", ".")
        self.source, splits = _ijba_faces(place, folder)
        self.test = ijba.read_verification(folder, self.source, splits, place.allow_missing)
        count = sum(len(split.pairs) for split in self.test.splits)
        self.facts = [
            f"{len(self.test.splits)} splits, {count:,} comparisons of templates made of "
            f"{len(self.test.images):,} faces.",
            *missing_facts(self.test, "comparisons"),
        ]

    def run(self, features, names, make_scorer, learned):
        result = ijba.evaluate_verification(features, self.test, make_scorer(), fusion=self.fusion)
        numbers = {f"TAR at FAR {rate.far:g}": number_of(rate.rate) for rate in result.tar_at_far}
        numbers["AUC"] = number_of(result.auc)
        numbers["EER"] = number_of(result.eer, lower_is_better=True)
        return Found(result, Run(*names, numbers, roc=result.curve))


class IjbaSearch:
    """IJB-A 1:N."""

    title = "IJB-A, 1:N"
    of_pairs = learns = False

    def __init__(self, place):
        self.fusion = place.templates
        self.how = f"{ijba.FUSIONS[self.fusion]} {search.HOW}"
        folder = place.list("IJB-A_1N_sets", "1N", ".")
        self.source, splits = _ijba_faces(place, folder)
        self.test = ijba.read_search(folder, self.source, splits, place.allow_missing)
        self.facts = [
            f"{len(self.test.splits)} splits, templates made of {len(self.test.images):,} faces.",
            *missing_facts(self.test, "templates"),
        ]

    def run(self, features, names, make_scorer, learned):
        result = ijba.evaluate_search(features, self.test, make_scorer(), fusion=self.fusion)
        numbers = {"rank 1": number_of(result.rank_1), "rank 5": number_of(result.rank_5)}
        for rate in result.tpir_at_fpir:
            numbers[f"TPIR at FPIR {rate.far:g}"] = number_of(rate.rate)
        return Found(result, Run(*names, numbers, search=result.curve, cmc=result.cmc))


def _ijba_faces(place, folder):
    splits = ijba.splits_in(folder)
    faces = ijba.read_faces(folder, splits)
    return BoxedFaces(place.data, faces, allow_missing=place.allow_missing), splits
