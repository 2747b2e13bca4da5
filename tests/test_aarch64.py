"""The check of TFLite files on a phone's architecture, up to the emulation itself."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest
from absl import flags

HERE = pathlib.Path(__file__).parent.parent
SMALL = HERE / "saved_models" / "joined_50" / "model.tflite"


@pytest.fixture(scope="module")
def aarch64():
    known = flags.FLAGS.__dict__["__flags"]
    flags.FLAGS.__dict__["__flags"] = {}
    path = HERE / "benchmarks" / "aarch64.py"
    spec = importlib.util.spec_from_file_location("benchmark_aarch64", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    flags.FLAGS(["aarch64.py", f"--model={SMALL}"])
    yield module
    flags.FLAGS.__dict__["__flags"] = known


def test_without_qemu_it_says_so(aarch64, monkeypatch, capsys):
    monkeypatch.setattr(aarch64.shutil, "which", lambda name: None)
    aarch64.main([])
    assert capsys.readouterr().out.startswith("Skipped: qemu-aarch64 is not here")


def test_the_worker_counts_sparse_kernels(aarch64, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 112, 96, 3), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    features, counts = aarch64.run(str(SMALL), str(tmp_path))
    assert len(features) == 2 and np.abs(features).max() > 0
    assert counts == {"ran": 3, "taken": 0}


@pytest.mark.parametrize(
    "factor, counts, right",
    [
        (1.001, {"ran": 3, "taken": 0}, True),
        (1.1, {"ran": 3, "taken": 0}, False),  # other numbers
        (np.nan, {"ran": 3, "taken": 0}, False),
        (1.0, {"ran": 2, "taken": 1}, False),  # computed by a delegate
        (1.0, {"ran": 0, "taken": 0}, False),
    ],
)
def test_what_is_wrong_is_an_error(aarch64, monkeypatch, capsys, factor, counts, right):
    features = np.random.default_rng(0).standard_normal((2, 8))
    monkeypatch.setattr(aarch64.shutil, "which", lambda name: name)
    monkeypatch.setattr(aarch64, "build_root", lambda root: None)
    monkeypatch.setattr(
        aarch64, "run", lambda model, folder, root=None: (features * (factor if root else 1), counts)
    )
    if right:
        aarch64.main([])
    else:
        with pytest.raises(SystemExit, match="Not as it should be: .*joined_50"):
            aarch64.main([])
    assert "joined_50" in capsys.readouterr().out


def test_kotlin_uses_what_the_artifact_holds():
    # FileUtil is in another artifact, org.tensorflow:tensorflow-lite-support.
    pages = [HERE / "README.md", *(HERE / "docs").rglob("*.md")]
    kotlin = re.findall(r"```kotlin\n(.*?)```", "".join(p.read_text("utf-8") for p in pages), re.S)
    assert kotlin and all("FileUtil" not in block for block in kotlin)
    assert all("openFd" in block for block in kotlin if "model.tflite" in block)
