"""The report on a data set: everything that is found, written into a folder."""

import collections
import os
import time

from pipelines.files import write_atomically, write_json
from pipelines.inspection import data_report
from pipelines.inspection.duplicate_sheet import duplicate_sheet
from pipelines.inspection.duplicates import DISTANCE, Matches
from pipelines.inspection.examination import compare, examine, exclusions
from pipelines.inspection.plots import plot_sets, png
from pipelines.sources import open_faces


def inspect(data, test_data="", output="runs/inspect", *, distance=DISTANCE, progress=True):
    """Examines a data set, and what it has in common with the one that is tested on.

    Args:
        data: name of the faces, see `open_faces`.
        test_data: the same of the set that is tested on; empty: none.
        output: folder for what is found.
        distance: bits of 512 in which the hashes of two pictures of one photograph may differ,
            0 to 255.
        progress: show progress bars.

    Returns:
        The report, a string; its last line says what to do.

    Raises:
        ValueError, OSError: with one line that says what to change.
    """
    start = time.monotonic()
    paths = [path for path in (data, test_data) if path]
    sources = [open_faces(path) for path in paths]
    os.makedirs(output, exist_ok=True)
    examined = [
        examine(source, title=title, distance=distance, progress=progress)
        for source, title in zip(sources, _titles(paths))
    ]
    common = compare(*examined, progress=progress) if test_data else None
    excluded = exclusions(*examined, common=common)
    seconds = time.monotonic() - start

    summaries = [data_report.summary(each) for each in examined]
    kinds = collections.Counter(kind for kind, _ in excluded.values())
    report = {
        "seconds": round(seconds, 1),
        "data": summaries[0],
        "test_data": summaries[1] if test_data else None,
        "overlap": data_report.overlap_summary(*examined, common) if test_data else None,
        "excluded": dict(kinds),
    }
    text = data_report.text(report) + "\n" + _advice(report, len(sources[0]), output)
    lines = [f"{sources[0].name(i)}\t{reason}\n" for i, (_, reason) in excluded.items()]
    files = {
        "plots.png": png(plot_sets(examined)),
        "exclude.txt": "".join(lines).encode("utf-8"),
        "report.md": text.encode("utf-8"),
    }
    sheet = os.path.join(output, "duplicates.png")
    if not duplicate_sheet(_kinds_of_pairs(examined, common), sheet) and os.path.exists(sheet):
        os.remove(sheet)  # of an earlier run
    for name, content in files.items():
        write_atomically(os.path.join(output, name), lambda file: file.write(content))
    write_json(os.path.join(output, "report.json"), report)
    return text


def _titles(paths):
    """Short names of the sets: the folders', or whole paths if those are alike."""
    short = [os.path.basename(os.path.normpath(path)) for path in paths]
    return short if len(set(short)) == len(short) else paths


def _kinds_of_pairs(examined, common):
    """What `duplicate_sheet` takes, the pairs that matter most first."""
    source = examined[0].survey.source
    matches = examined[0].matches
    within = source.labels[matches.first] == source.labels[matches.second]
    kinds = []
    if common is not None:
        kinds.append(("in both sets", source, examined[1].survey.source, common.matches))
    for title, chosen in (("two identities", ~within), ("one identity", within)):
        kinds.append((title, source, source, Matches(*(part[chosen] for part in matches))))
    return kinds


def _advice(report, images, output):
    """What to do, one line for each thing, and how long it took."""
    lines = [f"Read and compared in {report['seconds']:.0f} s."]
    landmarks = report["data"]["landmarks"]
    if 2 * len(landmarks["missing"]) > images:
        lines.append(
            "Most landmarks are missing: the same photograph is not found where it was cut out "
            "differently."
        )
    wrong = {
        one["image"]
        for fault in ("one_point", "exchanged", "upside_down", "implausible")
        for one in landmarks[fault]
    }
    if wrong:
        lines.append(
            f"Look at the landmarks of {len(wrong):,} images, see "
            f"{os.path.join(output, 'report.json')}."
        )
    count = sum(report["excluded"].values())
    if count:
        lines.append(
            f"Leave out {count:,} of {images:,} images, see {os.path.join(output, 'exclude.txt')}."
        )
    else:
        lines.append("Nothing is to be left out.")
    return "".join(f"{line}\n" for line in lines)
