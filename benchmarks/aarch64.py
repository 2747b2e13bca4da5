"""TFLite files on a phone's architecture: do they load, do sparse kernels run, do the numbers agree?

    apt-get install qemu-user && pip install '.[export]'
    python benchmarks/aarch64.py

Runs each file of --model by LiteRT here and by LiteRT for aarch64 under emulation, on the same
random pixels, and prints a Markdown table. It needs Debian on x86-64 and a network: Python for arm64
is unpacked from Debian's mirror, LiteRT and NumPy from their wheels, into a temporary folder or
into --root, which is used again. Nothing is installed. Without qemu-aarch64 it says so and does
nothing. Speed cannot be told from emulation.

Ends with an error if a file does not load there, if a sparse product is not computed by a sparse
kernel, or if the features differ from those here by more than --tolerance of the largest.
"""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from absl import app, flags

from pipelines.tables import markdown_table

MODEL = flags.DEFINE_multi_string(
    "model",
    [f"saved_models/{name}/model.tflite" for name in ("face", "joined", "joined_75", "joined_50")],
    "TFLite file; can be given several times.",
)
ROOT = flags.DEFINE_string("root", "", "Folder for the arm64 system. Default: a temporary one.")
CPU = flags.DEFINE_string("cpu", "cortex-a76", "Processor to emulate, as qemu-aarch64 calls it.")
LITERT = flags.DEFINE_string(
    "litert", "2.1.6", "Release of ai-edge-litert. 2.3.0 crashes under qemu 7.2 as it loads a file."
)
IMAGES = flags.DEFINE_integer("images", 4, "How many images.", lower_bound=1)
TOLERANCE = flags.DEFINE_float("tolerance", 1e-2, "Greatest difference, as a share of the largest.")

SUITE, PYTHON = "bookworm", "3.11"
QEMU = "qemu-aarch64"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT = """\
Dir::Etc::SourceList "{root}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{root}/state";
Dir::State::status "/dev/null";
Dir::Cache "{root}/cache";
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
"""
# Runs on either side, with LiteRT and NumPy alone. A product is sparse if its weights have
# SparsityParameters; a delegate has taken it if it lists these weights as an input.
WORKER = """\
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
folder, model = sys.argv[1:]
interpreter = Interpreter(model, num_threads=1)
run = interpreter.get_signature_runner()
found = run.get_input_details()["image"]
images = np.load(f"{folder}/pixels.npy")[:, : found["shape"][1], : found["shape"][2]]
if found["dtype"] != np.uint8:
    images = (images.astype(np.float32) - 127.5) / 128
features = np.concatenate([run(image=x[None].astype(found["dtype"]))["embedding"] for x in images])
np.save(f"{folder}/features.npy", features)
sparse = {t["index"] for t in interpreter.get_tensor_details() if t["sparsity_parameters"]}
ran = taken = 0
for operator in interpreter._get_ops_details():
    reads = len(sparse.intersection(int(i) for i in operator["inputs"]))
    taken += reads if operator["op_name"] == "DELEGATE" else 0
    ran += reads if operator["op_name"] == "FULLY_CONNECTED" else 0
print(json.dumps({"ran": ran - taken, "taken": taken}))
"""


def build_root(root):
    """Unpacks Python for arm64 with LiteRT and NumPy into a folder."""
    for folder in ("state/lists/partial", "cache/archives/partial", "system", "site"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    with open(os.path.join(root, "sources.list"), "w", encoding="utf-8") as file:
        file.write(f"deb [signed-by={KEYS}] http://deb.debian.org/debian {SUITE} main\n")
    with open(os.path.join(root, "apt.conf"), "w", encoding="utf-8") as file:
        file.write(APT.format(root=root))
    environment = {**os.environ, "APT_CONFIG": os.path.join(root, "apt.conf")}
    for command in (["update"], ["install", "-y", "--download-only", "python3", "libstdc++6"]):
        call(["apt-get", "-q", *command], environment)
    for package in sorted(glob.glob(os.path.join(root, "cache/archives/*.deb"))):
        call(["dpkg-deb", "-x", package, os.path.join(root, "system")])
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 27, 28)]
    call(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
        + [f"--python-version={PYTHON}", "--implementation=cp", *platforms]
        + ["--target", os.path.join(root, "site"), f"ai-edge-litert=={LITERT.value}", "numpy<3"]
    )


def call(command, environment=None):
    """Runs a command; what it prints is the error, in short, if it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {' '.join(last)}")
    return done.stdout


def run(model, folder, root=None):
    """Features of the pixels in a folder, and counts of sparse kernels; emulated, with a root."""
    worker = os.path.join(folder, "worker.py")
    with open(worker, "w", encoding="utf-8") as file:
        file.write(WORKER)
    if root is None:
        counts = call([sys.executable, worker, folder, model])
    else:
        system, site = os.path.join(root, "system"), os.path.join(root, "site")
        environment = {**os.environ, "PYTHONHOME": f"{system}/usr", "PYTHONPATH": site}
        python = f"{system}/usr/bin/python{PYTHON}"
        counts = call(
            [QEMU, "-L", system, "-cpu", CPU.value, python, worker, folder, model], environment
        )
    features = np.load(os.path.join(folder, "features.npy"), allow_pickle=False)
    return features, json.loads(counts.splitlines()[-1])


def compare(here, there):
    """Least cosine of the features of an image, and greatest difference, also of the largest."""
    norms = np.linalg.norm(here, axis=1) * np.linalg.norm(there, axis=1)
    difference = np.abs(here - there).max()
    return (np.sum(here * there, 1) / norms).min(), difference, difference / np.abs(here).max()


def main(_):
    if shutil.which(QEMU) is None:
        print(f"Skipped: {QEMU} is not here (apt-get install qemu-user).")
        return
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aarch64"))
        root = os.path.abspath(os.path.expanduser(ROOT.value)) if ROOT.value else f"{folder}/root"
        if not os.path.isdir(os.path.join(root, "site", "ai_edge_litert")):
            build_root(root)
        pixels = np.random.default_rng(0).integers(0, 256, (IMAGES.value, 112, 96, 3), np.uint8)
        np.save(os.path.join(folder, "pixels.npy"), pixels)
        table = [["file", "sparse products", "run by sparse kernels", "least cosine",
                  "greatest difference", "of the largest feature"]]  # fmt: skip
        wrong = []
        for model in map(os.path.abspath, MODEL.value):
            here, _ = run(model, folder)
            there, counts = run(model, folder, root)
            cosine, difference, share = compare(here, there)
            name = os.path.relpath(model)
            products = counts["ran"] + counts["taken"]
            table.append([name, f"{products}", f"{counts['ran']}", f"{cosine:.7f}",
                          f"{difference:.2g}", f"{share:.2g}"])  # fmt: skip
            if counts["taken"] or not counts["ran"] or not share <= TOLERANCE.value:
                wrong.append(name)
        print(markdown_table(table))
        if wrong:
            sys.exit(f"Not as it should be: {', '.join(wrong)}.")


if __name__ == "__main__":
    app.run(main)
