"""Table 3: accuracy and size of several sparse structures."""

from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.published import DEEPID2PLUS, TABLE_3
from sparseface_tf.reproduction.tables.base import (
    DENSE,
    FIVE_B,
    FOUR_B,
    N1,
    N2,
    N3,
    NetworkTable,
    Row,
)

HALVED, LAST = (Chain((*N2.stages, f"{kept}-5a")) for kept in ("1/2", "1/32"))
_DEEPID2PLUS = Chain(network="deepid2plus")
# The dense network with the same re-trainings: S = 1 keeps all.
LONGER = [Chain(("1-f", "1-5b", "1-4b")[:layers]) for layers in (1, 2, 3)]


class Structures(NetworkTable):
    """Table 3, with DeepID2+, of which Sec. 3 has the accuracy.

    Beside the paper's rows there is the dense network re-trained as often as each sparse one, or
    a gain of the sparse structure would look like one of the longer training.
    """

    name = "3"
    title = "Table 3: sparse structures"
    front = ("sparse structure",)

    def rows(self):
        rows = [
            Row(
                (chain.title,),
                chain,
                dict(zip(("accuracy", "compression ratio"), TABLE_3[chain.stages])),
                None if chain == DENSE else DENSE,
            )
            for chain in map(Chain, TABLE_3)
        ]
        rows.append(Row(("DeepID2+",), _DEEPID2PLUS, {"accuracy": DEEPID2PLUS}, DENSE))
        if self.reproduction.controls:
            rows += [
                Row((f"dense, re-trained {times}",), chain, {}, DENSE)
                for times, chain in zip(("once", "twice", "three times"), LONGER)
            ]
        return rows

    def claims(self, results):
        claims = [
            ("1/256-f above dense", N1, DENSE),
            (f"{FIVE_B} on top above without", N2, N1),
            (f"{FOUR_B} on top above without", N3, N2),
            ("1/256-f 1/128-5b 1/2-4b above dense", N3, DENSE),
            ("1/256-f 1/128-5b 1/2-5a above dense", HALVED, DENSE),
            ("1/256-f 1/128-5b 1/32-5a not below dense", LAST, DENSE),
            ("dense above DeepID2+", DENSE, _DEEPID2PLUS),
        ]
        if self.reproduction.controls:
            claims += [
                (f"{sparse.title} above dense re-trained as often", sparse, longer)
                for sparse, longer in zip((N1, N2, N3), LONGER)
            ]
        return [self.claim(results, *claim) for claim in claims]

    def notes(self, results):
        if not self.reproduction.controls:
            return []
        return [
            "The dense networks that were re-trained are not the paper's: each goes on from dense "
            "with all of its weights, for as long as the network with as many sparse layers. They "
            "separate what a sparse structure gives from what the longer training gives."
        ]
