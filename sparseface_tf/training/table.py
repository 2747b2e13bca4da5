"""Counts of weights and the table of a run, like the paper's Table 3."""

import os

import numpy as np

from pipelines.files import write_text
from pipelines.tables import markdown_table
from sparseface_tf.runs.metrics import TITLES, accuracy


def parameters(network, layers):
    """Weights of the named layers, exact to the weight (biases are not counted, as in Table 1).

    Args:
        network: model with masked layers.
        layers: names; those that the network lacks are passed over. If there are none, all
            layers with a kernel count, with all of their weights.

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
    if not counts:
        # A network without masks.
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                size = int(np.prod(layer.kernel.shape))
                counts[layer.name] = {"weights": size, "kept": size, "density": 1.0}
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
        results: contents of the stages' metrics.json, in order. A stage that trained several
            widths has a row for each.

    Returns:
        The table, a string that ends with a newline.
    """
    tests = list(results[0]["verification"])
    classified = "classification" in results[0]
    slimmed = any("channels" in result for result in results)
    rows = [
        ["sparse structure"]
        + [TITLES[test] for test in tests]
        + (["classification", "nearest centre"] if classified else [])
        + (["multiply-adds"] if slimmed else [])
        + ["compression ratio", "weights kept", "mean \\|r\\| before → after", "images/s"]
    ]
    for result in _with_levels(results):
        row = [result["name"], *(accuracy(result, test) for test in tests)]
        if classified:
            told = result["classification"]
            row += [f"{told['accuracy']:.4f}", f"{told['nearest_centre']:.4f}"]
        if slimmed:
            row.append(f"{result['multiply_adds'] / 1e9:.3f} G")
        row += [f"{result['compression_ratio']:.3f}", f"{result['parameters_kept']:,}"]
        r = result.get("mean_abs_correlation")
        row.append(f"{r['layer']}: {r['before']:.3f} → {r['after']:.3f}" if r else "")
        rate = result["last"].get("images_per_second", 0) if "last" in result else None
        row.append("" if rate is None else f"{rate:.0f}")
        rows.append(row)
    return markdown_table(rows)


def _with_levels(results):
    """The results of the stages, those at lower widths after their stage's."""
    for result in results:
        yield result
        for width, level in result.get("levels", {}).items():
            share = level["parameters_kept"] / result["parameters_kept"]
            yield {
                **level,
                "name": f"{result['name']}, at {100 * float(width):g} %",
                "compression_ratio": share * result["compression_ratio"],
            }


def region_table(output, runs):
    """The last stages of several regions' runs as a Markdown table, also left in regions.md.

    Args:
        output: folder of all the runs.
        runs: dict of the regions' names to the finished runs' `RunFolder`s.

    Returns:
        The table, a string that ends with a newline.
    """
    rows = []
    for region, folder in runs.items():
        ends = [folder.metrics(number) for number in sorted({0, folder.last_finished()})]
        tests = list(ends[0]["verification"])
        if not rows:
            titles = [f"{TITLES[test]}, {end['name']}" for test in tests for end in ends]
            rows.append(["region", *titles])
        rows.append([region, *(accuracy(end, test) for test in tests for end in ends)])
    table = markdown_table(rows)
    write_text(os.path.join(output, "regions.md"), table)
    return table
