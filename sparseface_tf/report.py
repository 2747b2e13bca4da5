"""Counts of weights and the table of a run, like the paper's Table 3."""

import numpy as np


def parameters(network, layers):
    """Weights of the named layers, exact to the weight (biases are not counted, as in Table 1).

    Args:
        network: model with masked layers.
        layers: names; those that the network lacks are passed over.

    Returns:
        Dict with "layers": {name: {"weights", "kept", "density"}}, "parameters",
        "parameters_kept" and "compression_ratio", kept by all (Table 3).
    """
    present = {layer.name: layer for layer in network.layers}
    counts = {}
    for name in layers:
        if name in present:
            mask = np.asarray(present[name].mask)
            kept = int(np.count_nonzero(mask))
            counts[name] = {"weights": mask.size, "kept": kept, "density": kept / mask.size}
    weights = sum(count["weights"] for count in counts.values())
    kept = sum(count["kept"] for count in counts.values())
    return {
        "layers": counts,
        "parameters": weights,
        "parameters_kept": kept,
        "compression_ratio": kept / weights,
    }


def stage_table(results):
    """The stages of a run as a Markdown table.

    Args:
        results: contents of the stages' metrics.json, in order.

    Returns:
        The table, a string that ends with a newline.
    """
    tests = list(results[0]["verification"])
    titles = {"held_out": "held-out accuracy", "test": "test accuracy"}
    rows = [
        ["sparse structure"]
        + [titles[test] for test in tests]
        + ["compression ratio", "weights kept", "mean \\|r\\| before → after", "images/s"]
    ]
    for result in results:
        row = [result["name"]]
        for test in tests:
            verified = result["verification"][test]
            row.append(f"{verified['accuracy']:.4f} ± {verified['standard_error']:.4f}")
        row += [f"{result['compression_ratio']:.3f}", f"{result['parameters_kept']:,}"]
        r = result.get("mean_abs_correlation")
        row.append(f"{r['layer']}: {r['before']:.3f} → {r['after']:.3f}" if r else "")
        row.append(f"{result['last'].get('images_per_second', 0):.0f}")
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
