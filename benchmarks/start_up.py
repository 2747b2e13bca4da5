"""What it takes to start: processor time and peak memory of commands, each in a process of its own.

    python benchmarks/start_up.py [--repeat=3]

Prints for every command the least of several runs: seconds of the processor, user and system together,
which on an idle core are what a user waits; and MB of memory at most. Goals: below 0.5 s for --help and
for a wrong flag, 0.3 s for `gallery list`, 1.5 s and 250 MB for `verify` with the network that comes with
the project, on photographs of 1000 x 800 pixels with a rendered face.
"""

import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile

from absl import app, flags
from PIL import Image

from pipelines.tables import markdown_table

REPEAT = flags.DEFINE_integer("repeat", 3, "Runs of each command.", lower_bound=1)
ROOT = pathlib.Path(__file__).parent.parent


def photographs(folder):
    """Writes two photographs of a rendered person into a folder, as 0.jpg and 1.jpg."""
    # In a process of its own: Linux counts into the memory of a child what its parent has.
    import tensorflow as tf  # noqa: PLC0415

    from pipelines.sources.synthetic import SyntheticFaces  # noqa: PLC0415

    faces = SyntheticFaces(identities=2, images_per_identity=2)
    for i in range(2):
        photograph = Image.new("RGB", (1000, 800), (90, 90, 90))
        face = Image.fromarray(faces.load(tf.constant(i))[0].numpy())
        photograph.paste(face.resize((500, 500)), (200, 150))
        photograph.save(os.path.join(folder, f"{i}.jpg"), quality=92)


def measured(words):
    """Exit status, seconds of the processor and peak memory in MB of `sparseface` with some words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sparseface_tf.programs", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # Kilobytes, but for macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6


def commands(first, second, gallery):
    """(what a row is called, words, goal in seconds, goal in MB), a list."""
    gallery = f"--gallery={gallery}"
    names = "train evaluate export recognize reproduce detect inspect records serve".split()
    rows = [("--help", ["--help"], 0.5, None)]
    rows += [(f"{name} --help", [name, "--help"], 0.5, None) for name in names]
    rows += [
        ("train --network=none", ["train", "--network=none"], 0.5, None),
        ("evaluate --no_such_flag", ["evaluate", "--no_such_flag"], 0.5, None),
        ("recognize enroll", ["recognize", "enroll", "Ann", first, gallery], None, None),
        ("recognize gallery list", ["recognize", "gallery", "list", gallery], 0.3, None),
        ("recognize identify", ["recognize", "identify", second, gallery], None, None),
        ("recognize verify", ["recognize", "verify", first, second], 1.5, 250),
    ]
    return rows


def main(_):
    table = [["sparseface …", "exit status", "s", "goal", "MB", "goal"]]
    with tempfile.TemporaryDirectory(prefix="start_up") as folder:
        rendering = multiprocessing.get_context("spawn").Process(target=photographs, args=(folder,))
        rendering.start()
        rendering.join()
        paths = [os.path.join(folder, f"{i}.jpg") for i in range(2)]
        for name, words, seconds, memory in commands(*paths, os.path.join(folder, "people.db")):
            found = [measured(words) for _ in range(REPEAT.value)]
            status, least, peak = found[0][0], min(one[1] for one in found), min(one[2] for one in found)
            goals = [f"< {goal}" if goal else "" for goal in (seconds, memory)]
            table.append([name, str(status), f"{least:.2f}", goals[0], f"{peak:.0f}", goals[1]])
    print(markdown_table(table))


if __name__ == "__main__":
    app.run(main)
