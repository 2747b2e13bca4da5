"""Table 8: criteria by which the last layer is sparsified."""

from sparseface_tf.reproduction import plots
from sparseface_tf.reproduction.published import TABLE_8
from sparseface_tf.reproduction.tables.base import STRUCTURE, NetworkTable, Row
from sparseface_tf.reproduction.tables.selection import last_by


class Criteria(NetworkTable):
    """Table 8; the layers above the last one are sparsified by correlation."""

    name = "8"
    title = "Table 8: criteria"
    front = ("last layer", "criterion")
    quantities = ("accuracy", "mean |r| before", "mean |r| after")
    reference = "correlation"

    def rows(self):
        rows = []
        for layer, last in enumerate(STRUCTURE):
            for name in self.reproduction.criteria:
                figure = TABLE_8[last].get(name)
                rows.append(
                    Row(
                        (last, name),
                        last_by(layer, name),
                        {} if figure is None else {"accuracy": figure},
                        None if name == "correlation" else last_by(layer, "correlation"),
                    )
                )
        return rows

    def notes(self, results):
        if "obd" not in self.reproduction.criteria:
            return []
        return [
            "obd (Optimal Brain Damage) has its second derivatives from the diagonal of the "
            "Gauss–Newton matrix, which leaves out a negative part for different pairs within the "
            "margin."
        ]

    def claims(self, results):
        claims = []
        for layer, last in enumerate(STRUCTURE):
            figures = TABLE_8[last]
            for name in self.reproduction.criteria:
                if name in figures and name != "correlation":
                    order = ("correlation", name)
                    better, worse = sorted(order, key=figures.get, reverse=True)
                    chains = last_by(layer, better), last_by(layer, worse)
                    claims.append(self.claim(results, f"{last}: {better} above {worse}", *chains))
        return claims

    def figures(self, results):
        groups = {}
        for row in self.rows():
            measure = results.measure(row.chain, "accuracy")
            if measure:
                groups.setdefault(row.cells[0], {})[row.cells[1]] = measure
        if not groups:
            return {}
        caption = "Accuracy by criterion: a point for each seed, the bar is their mean."
        return {"accuracies": (caption, plots.plot_accuracies(groups))}
