"""Table 4: accuracy against the number of parameters kept."""

from sparseface_tf.reproduction import plots
from sparseface_tf.reproduction.chains import Chain
from sparseface_tf.reproduction.published import TABLE_4
from sparseface_tf.reproduction.tables.base import N2, NetworkTable, Row


class TradeOff(NetworkTable):
    """Table 4."""

    name = "4"
    title = "Table 4: accuracy against parameters kept"
    front = ("S-5a",)
    quantities = ("compression ratio", "accuracy")
    reference = "S = 1"

    def rows(self):
        return [
            Row(
                (kept,),
                Chain((*N2.stages, f"{kept}-5a")) if kept != "1" else N2,
                dict(zip(self.quantities, figures)),
                N2 if kept != "1" else None,
            )
            for kept, figures in TABLE_4.items()
        ]

    def claims(self, results):
        return [
            self.claim(results, f"all of 5a above {row.cells[0]}-5a", N2, row.chain)
            for row in self.rows()
            if row.chain != N2
        ]

    def figures(self, results):
        points, published = [], []
        for row in self.rows():
            ratio = results.measure(row.chain, "compression ratio")
            if ratio:
                points.append((row.cells[0], ratio.mean, results.measure(row.chain, "accuracy")))
            published.append((row.cells[0], *(row.published[q] for q in self.quantities)))
        if not points:
            return {}
        caption = "Accuracy against parameters kept, by S of 5a; bars: 95 %. Right: the paper's."
        return {"trade_off": (caption, plots.plot_trade_off(points, published))}
