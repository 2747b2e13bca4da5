"""`sparseface serve` as README.md and docs/serving.md have it: one command, and every curl line as pasted."""

import configparser
import importlib.metadata
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from packaging.requirements import Requirement
from PIL import Image
from programs import ROOT

from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.export.faces import some_faces

pytest.importorskip("kserve", reason="KServe is not installed: pip install 'sparseface_tf[serve]'")

import httpx  # noqa: E402
from served import free_ports  # noqa: E402

PAGES = ("README.md", "docs/serving.md")
# A curl line, with the text up to END if it reads that.
CURL = re.compile(r"^curl [^\n]*?(?:<<END\n.*?^END|)$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Port of HTTP of the server that one command starts, in a folder with a photograph ann1.jpg."""
    http, rpc = free_ports(2)
    log = tmp_path_factory.mktemp("serve") / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sparseface_tf.programs", "serve"),
                *(f"--http_port={http}", f"--grpc_port={rpc}"),
            ],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    end = time.time() + 120
    while True:
        assert process.poll() is None and time.time() < end, log.read_text()
        try:
            httpx.get(f"http://127.0.0.1:{http}/v2/health/ready").raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.2)
    yield http
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, log.read_text()[-3000:]
    assert "Traceback" not in log.read_text()


def curl_lines():
    return [(page, line) for page in PAGES for line in CURL.findall((ROOT / page).read_text("utf-8"))]


def test_every_curl_line_works_as_pasted(port, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    image, _ = SyntheticFaces(identities=2, images_per_identity=1).load(tf.constant(0))
    Image.fromarray(image.numpy()).save(tmp_path / "ann1.jpg")
    lines = curl_lines()
    assert {page for page, _ in lines} == set(PAGES) and len(lines) >= 6
    predicted = 0
    for page, line in lines:
        there = line.replace("localhost:8080", f"localhost:{port}")
        assert there != line
        result = subprocess.run(
            ["bash", "-c", there.replace("curl ", "curl -s --fail-with-body ", 1)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, (page, line, result.stdout, result.stderr)
        if ":predict" in line:
            (features,) = json.loads(result.stdout)["predictions"]
            assert len(features) == 256 and np.isfinite(features).all()
            predicted += 1
    assert predicted >= 3


def test_kserve_is_of_the_range_that_was_tested():
    """Parts of it are used that it does not document."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for extra in ("serve", "test"):
        lines = setup["options.extras_require"][extra].splitlines()
        (wanted,) = [Requirement(line) for line in lines if line.startswith("kserve ")]
        assert wanted.specifier.contains(importlib.metadata.version("kserve"))
        assert any(part.operator == "<" and part.version == "0.22" for part in wanted.specifier)


def test_what_is_served_is_the_shipped_network():
    """The SavedModel computes what the TFLite file beside it does, which rounds to 8 bits besides."""
    pytest.importorskip("ai_edge_litert")
    folder = ROOT / "saved_models/joined_75"
    served, phone = open_embedder(folder / "1"), open_embedder(folder / "model.tflite")
    assert served.region == phone.region
    faces = some_faces("synthetic", 32, served.region, seed=7)
    a, b = (np.asarray(x.network.predict_on_batch(faces)) for x in (served, phone))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.mean() > 0.995 and cosines.min() > 0.97
