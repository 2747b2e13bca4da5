"""Requests per second and their latency, by KServe's Python server, beside the SavedModel itself.

    python benchmarks/serving.py [--model=saved_models/NAME] [--seconds=10] [--faces=1]

Without --model, Table 1's network with random weights is served. A server is started in a process
of its own; 1, 2, 4 and 8 clients, threads here, each send one request after the other: crops as
JSON, as binary data of V2 and over gRPC, and JPEG files with landmarks by all three. "Direct" is
the same signature called in this process, by one thread, without a server, and the ratio is the
rate of requests against that. Clients and server share the machine's cores: run it on an idle one.
"""

import base64
import concurrent.futures
import functools
import os
import socket
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import httpx
import numpy as np
import orjson
import tensorflow as tf
from absl import app, flags, logging
from kserve import InferInput, InferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from pipelines.faces.regions import WHOLE_FACE
from pipelines.sources.synthetic import SyntheticFaces
from pipelines.tables import markdown_table
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.saved_model.signatures import write_saved_model
from sparseface_tf.export.tflite.report import machine
from sparseface_tf.networks import baseline_network

MODEL = flags.DEFINE_string("model", "", "SavedModel to serve. Default: a network made here.")
SECONDS = flags.DEFINE_float("seconds", 10.0, "How long each is measured.")
FACES = flags.DEFINE_integer("faces", 1, "Faces of a request.")
CLIENTS = flags.DEFINE_list("clients", [1, 2, 4, 8], "Numbers of clients.")
WARM = 3  # requests of each client that are not counted


def requests(region, faces):
    """Inputs of the signatures that are measured, and the V1 request with them."""
    source = SyntheticFaces(identities=max(2, faces), images_per_identity=1, size=256)
    loaded = [source.load(tf.constant(i)) for i in range(faces)]
    files = [tf.io.encode_jpeg(image).numpy() for image, _ in loaded]
    landmarks = np.stack([points.numpy() for _, points in loaded])
    shape = faces, region.height, region.width, region.channels
    crops = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    named = [
        {"image": {"b64": base64.b64encode(content).decode()}, "landmarks": points.tolist()}
        for content, points in zip(files, landmarks)
    ]
    return {
        "serving_default": ({"image": crops}, crops.tolist()),
        "embed_jpeg": ({"image": np.array(files, object), "landmarks": landmarks}, named),
    }


def infer_request(signature, inputs):
    """A V2 request with binary data."""
    tensors = []
    for name, value in inputs.items():
        kind = "BYTES" if value.dtype == object else "FP32"
        tensors.append(InferInput(name, [*value.shape], kind))
        tensors[-1].set_data_from_numpy(value)
    parameters = {"signature_name": signature, "binary_data_output": True}
    return InferRequest("face", tensors, parameters=parameters)


def v1(address, signature, inputs, instances):
    body = orjson.dumps({"signature_name": signature, "instances": instances})
    headers = {"content-type": "application/json"}
    return _posting(f"{address}/v1/models/face:predict", body, headers)


def v2(address, signature, inputs, instances):
    body, length = infer_request(signature, inputs).to_rest()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(length),
    }
    return _posting(f"{address}/v2/models/face/infer", body, headers)


def _posting(url, body, headers):
    client = httpx.Client(timeout=120)

    def send():
        client.post(url, content=body, headers=headers).raise_for_status()

    return send


def rpc(address, signature, inputs, instances):
    # Channels of one address share a connection unless told otherwise.
    channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    request = infer_request(signature, inputs).to_grpc()
    return functools.partial(GRPCInferenceServiceStub(channel).ModelInfer, request)


def measured(senders, seconds):
    """Requests per second, and seconds that each took, an array, of clients at the same time."""

    def client(send):
        for _ in range(WARM):
            send()
        times, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            send()
            times.append(time.perf_counter() - start)
        return times

    with concurrent.futures.ThreadPoolExecutor(len(senders)) as pool:
        times = [*pool.map(client, senders)]
    # Each client's own rate: they do not end at the same moment.
    return sum(len(part) / sum(part) for part in times), np.concatenate(times)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def started(path, http_port, grpc_port):
    """The server's process, when it is ready."""
    limit = 1 << 28
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sparseface_tf.serving", f"--model={path}"),
            *("--model_name=face", f"--http_port={http_port}", f"--grpc_port={grpc_port}"),
            *(f"--max_request_bytes={limit}", f"--grpc_max_receive_message_length={limit}"),
            f"--max_faces={FACES.value}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{http_port}/v2/models/face/ready").raise_for_status()
            return process
        except httpx.HTTPError:
            time.sleep(0.5)
    sys.exit(f"error: the server ended with status {process.returncode}.")


def row(what, clients, rate, times, direct):
    percentiles = np.percentile(times, (50, 95, 99)) * 1e3
    numbers = [f"{ms:.1f}" for ms in percentiles]
    return [what, str(clients), f"{rate:.1f}", *numbers, f"{rate / direct:.2f}"]


def main(_):
    logging.set_verbosity(logging.WARNING)  # a line for each request
    with tempfile.TemporaryDirectory() as folder:
        path = MODEL.value
        if not path:
            path = os.path.join(folder, "1")
            write_saved_model(path, in_float32(baseline_network()), WHOLE_FACE)
        embedder = open_embedder(path)
        http_port, grpc_port = free_port(), free_port()
        ways = {
            "V1, JSON": (v1, f"http://127.0.0.1:{http_port}"),
            "V2, binary": (v2, f"http://127.0.0.1:{http_port}"),
            "gRPC": (rpc, f"127.0.0.1:{grpc_port}"),
        }
        head = ["by", "clients", "requests/s", "p50, ms", "p95, ms", "p99, ms", "of direct"]
        print(f"{machine()}; {FACES.value} face(s) a request.", flush=True)
        every = requests(embedder.region, FACES.value)
        direct = {}
        for signature, (inputs, _) in every.items():
            function = embedder.network.signatures[signature]
            tensors = {name: tf.constant(value) for name, value in inputs.items()}
            direct[signature] = measured([lambda: function(**tensors)], SECONDS.value)
        server = started(path, http_port, grpc_port)
        try:
            for signature, (inputs, instances) in every.items():
                rate, times = direct[signature]
                table = [head, row("direct", 1, rate, times, rate)]
                for title, (way, address) in ways.items():
                    for clients in map(int, CLIENTS.value):
                        senders = [
                            way(address, signature, inputs, instances) for _ in range(clients)
                        ]
                        found = measured(senders, SECONDS.value)
                        table.append(row(title, clients, *found, rate))
                print(f"\n{signature}\n\n{markdown_table(table)}", flush=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    app.run(main)
