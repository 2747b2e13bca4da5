"""Many clients at a time, some of them hostile: is anything lost, wrong, or without bound?

    python benchmarks/serving_load.py [--model=saved_models/NAME] [--clients=200] [--seconds=120]

A server is started as `sparseface serve` does. Each client, a coroutine here, sends one request after
the other for so long: crops and JPEG files, by V1, V2 and gRPC, and for one in twenty something
hostile: damaged files, pixels that nobody normalised, landmarks in one point, claims of a thousand
million pixels, JSON without end, bodies above the limit, bodies that never arrive. Who is told to try
again (503, UNAVAILABLE) does so after the time that it was told.

Each answer is compared with what the SavedModel gives in this process. Goals: every good request gets
its own, right answer; every hostile one is refused as a client's error; the server is ready all the
while, its memory does not grow in the second half, and it ends with status 0 when it is told to.
Clients and server share the machine's cores. Linux: memory is read in /proc.
"""

import asyncio
import base64
import collections
import dataclasses
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import time
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import httpx
import numpy as np
import orjson
import tensorflow as tf
from absl import app, flags, logging
from kserve import InferInput, InferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from kserve.protocol.infer_type import InferResponse

from pipelines.sources.synthetic import SyntheticFaces
from pipelines.tables import markdown_table
from sparseface_tf.embedding.embedder import open_embedder

ROOT = pathlib.Path(__file__).parent.parent
MODEL = flags.DEFINE_string("model", "saved_models/joined_75", "SavedModel to serve.")
CLIENTS = flags.DEFINE_integer("clients", 200, "Clients at a time.")
SECONDS = flags.DEFINE_float("seconds", 120.0, "How long they send.")
HOSTILE = flags.DEFINE_float("hostile", 0.05, "Share of hostile requests.")
SEED = flags.DEFINE_integer("seed", 0, "Of what is sent.")
INPUTS = 16  # different crops and files
MAX_BYTES = 1 << 20
PREDICT, INFER = "/v1/models/face:predict", "/v2/models/face/infer"


@dataclasses.dataclass
class Tally:
    """What happened: counts by name, and the seconds of each good request until its answer."""

    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    seconds: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)


# === Good requests ===


class Good:
    """Inputs, and what the SavedModel gives for them without a server."""

    def __init__(self, embedder):
        region, signatures = embedder.region, embedder.network.signatures
        source = SyntheticFaces(identities=INPUTS, images_per_identity=1, size=256)
        loaded = [source.load(tf.constant(i)) for i in range(INPUTS)]
        self.files = [tf.io.encode_jpeg(image).numpy() for image, _ in loaded]
        self.landmarks = np.stack([points.numpy() for _, points in loaded])
        shape = INPUTS, region.height, region.width, region.channels
        self.crops = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
        self.of_crops = signatures["serving_default"](image=tf.constant(self.crops))
        self.of_crops = self.of_crops["embedding"].numpy()
        self.of_files = signatures["embed_jpeg"](
            image=tf.constant(self.files), landmarks=tf.constant(self.landmarks)
        )["embedding"].numpy()

    def v1_crop(self, i):
        return orjson.dumps({"instances": [self.crops[i].tolist()]}), self.of_crops[i]

    def v1_file(self, i):
        named = {
            "image": {"b64": base64.b64encode(self.files[i]).decode()},
            "landmarks": self.landmarks[i].tolist(),
        }
        body = {"signature_name": "embed_jpeg", "instances": [named]}
        return orjson.dumps(body), self.of_files[i]

    def v2_crop(self, i):
        image = InferInput("image", [1, *self.crops[i].shape], "FP32")
        image.set_data_from_numpy(self.crops[i][None])
        request = InferRequest("face", [image], parameters={"binary_data_output": True})
        return request, self.of_crops[i]

    def v2_file(self, i):
        image, points = InferInput("image", [1], "BYTES"), InferInput("landmarks", [1, 5, 2], "FP32")
        image.set_data_from_numpy(np.array([self.files[i]], object))
        points.set_data_from_numpy(self.landmarks[i][None])
        parameters = {"signature_name": "embed_jpeg", "binary_data_output": True}
        return InferRequest("face", [image, points], parameters=parameters), self.of_files[i]


class Again(Exception):
    """Told to try again, after some seconds."""


class Clients:
    """Ways to the server.

    Args:
        http: `httpx.AsyncClient`.
        stubs: of gRPC, one a connection.
        port: of HTTP.
    """

    def __init__(self, http, stubs, port):
        self.http, self.stubs, self.port = http, stubs, port

    async def v1(self, body):
        """Features, or the (status, error) of what is refused."""
        answer = await self.http.post(PREDICT, content=body)
        self._check_busy(answer)
        if answer.status_code != 200:
            return answer.status_code, answer.json().get("error")
        return np.float32(answer.json()["predictions"][0])

    async def v2(self, request):
        body, length = request.to_rest()
        headers = {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(length),
        }
        answer = await self.http.post(INFER, content=body, headers=headers)
        self._check_busy(answer)
        if answer.status_code != 200:
            return answer.status_code, answer.json().get("error")
        length = int(answer.headers["inference-header-content-length"])
        return InferResponse.from_bytes(answer.content, length).outputs[0].as_numpy()[0]

    async def rpc(self, request, client):
        try:
            answer = await self.stubs[client % len(self.stubs)].ModelInfer(request.to_grpc())
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                metadata = dict(error.trailing_metadata() or ())
                raise Again(int(metadata.get("grpc-retry-pushback-ms", 1000)) / 1e3) from None
            return error.code().name, error.details()
        return InferResponse.from_grpc(answer).outputs[0].as_numpy()[0]

    def _check_busy(self, answer):
        if answer.status_code == 503:
            raise Again(float(answer.headers["retry-after"]))

    async def unfinished(self):
        """Sends a part of a request, and goes."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n{{".encode())
        await writer.drain()
        await asyncio.sleep(1)
        writer.close()
        return 400, "It has gone."


# === Hostile ones ===


def huge_png(side=30_000):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def hostile(good, clients, client, generator):
    """Coroutines of one hostile request each, by what it is: a dict of functions."""
    i = int(generator.integers(INPUTS))
    file, landmarks = good.files[i], good.landmarks[i]
    cut = file[: int(generator.integers(1, len(file) - 100))]

    def sent(content, points=landmarks, count=1):
        named = {
            "image": {"b64": base64.b64encode(content).decode()},
            "landmarks": np.asarray(points).tolist(),
        }
        return clients.v1(orjson.dumps({"signature_name": "embed_jpeg", "instances": [named] * count}))

    def by_grpc(content):
        request, _ = good.v2_file(i)
        request.inputs[0].set_data_from_numpy(np.array([content], object))
        return clients.rpc(request, client)

    pixels = ((good.crops[i] + 1) * 127.5).tolist()
    return {
        "a damaged file": lambda: sent(cut),
        "a damaged file, gRPC": lambda: by_grpc(cut),
        "text": lambda: sent(b"no image"),
        "landmarks in one point": lambda: sent(file, np.ones((5, 2))),
        "900 million pixels": lambda: sent(huge_png()),
        "64 images of 16 million pixels": lambda: sent(huge_png(4000), count=64),
        "pixels from 0 to 255": lambda: clients.v1(orjson.dumps({"instances": [pixels]})),
        "JSON that does not end": lambda: clients.v1(b"[" * 200_000),
        "a body above the limit": lambda: clients.v1(b" " * (MAX_BYTES + 1)),
        "a body that does not arrive": clients.unfinished,
    }


# === The run ===


async def answered(ask, tally):
    """What a request is answered at last."""
    start = time.perf_counter()
    while True:
        try:
            found = await ask()
            return found, time.perf_counter() - start
        except Again as again:
            tally.counts["told to try again"] += 1
            await asyncio.sleep(again.args[0] * (0.5 + np.random.random()))


async def client(number, good, clients, tally, end):
    generator = np.random.default_rng((SEED.value, number))
    ways = (
        ("V1, crop", good.v1_crop, clients.v1),
        ("V1, file", good.v1_file, clients.v1),
        ("V2, crop", good.v2_crop, clients.v2),
        ("V2, file", good.v2_file, clients.v2),
        ("gRPC, crop", good.v2_crop, lambda request: clients.rpc(request, number)),
        ("gRPC, file", good.v2_file, lambda request: clients.rpc(request, number)),
    )
    while time.perf_counter() < end:
        if generator.random() < HOSTILE.value:
            kinds = hostile(good, clients, number, generator)
            name = [*kinds][generator.integers(len(kinds))]
            found, _ = await answered(kinds[name], tally)
            tally.counts["hostile"] += 1
            refused = isinstance(found, tuple) and found[0] in (400, 408, 413, "INVALID_ARGUMENT")
            # A file that is cut near its end is a picture to some decoders.
            if not refused or re.search(r"[\[\]{}]|/", found[1] or "["):
                tally.wrong.append((name, str(found)[:200]))
            continue
        name, make, ask = ways[generator.integers(len(ways))]
        request, expected = make(int(generator.integers(INPUTS)))
        tally.counts["sent"] += 1
        found, seconds = await answered(lambda: ask(request), tally)
        if isinstance(found, tuple) or not np.allclose(found, expected, rtol=1e-3, atol=1e-3):
            tally.wrong.append((name, str(found)[:200]))
        else:
            tally.counts["right"] += 1
            tally.counts[name] += 1
            tally.seconds.append(seconds)


async def watch(http, process, memory, states, end):
    """Memory of the server in MiB, and seconds that it takes to say that it is ready."""
    while time.perf_counter() < end:
        pages = int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        memory.append((time.perf_counter(), pages * os.sysconf("SC_PAGESIZE") / 2**20))
        start = time.perf_counter()
        answer = await http.get("/v2/health/ready")
        states.append((answer.status_code, time.perf_counter() - start))
        await asyncio.sleep(0.5)


async def load(good, process, http_port, rpc_port):
    """Runs all clients; returns the tally, the memory and the states seen."""
    tally, memory, states = Tally(), [], []
    address = f"http://127.0.0.1:{http_port}"
    limits = httpx.Limits(max_connections=CLIENTS.value, max_keepalive_connections=CLIENTS.value)
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [
        grpc.aio.insecure_channel(f"127.0.0.1:{rpc_port}", options=options)
        for _ in range(max(1, CLIENTS.value // 10))
    ]
    async with (
        httpx.AsyncClient(base_url=address, limits=limits, timeout=120) as http,
        httpx.AsyncClient(base_url=address, timeout=120) as probe,
    ):
        clients = Clients(http, [GRPCInferenceServiceStub(one) for one in channels], http_port)
        end = time.perf_counter() + SECONDS.value
        watching = asyncio.create_task(watch(probe, process, memory, states, end))
        await asyncio.gather(
            *(client(i, good, clients, tally, end) for i in range(CLIENTS.value))
        )
        await watching
        metrics = (await probe.get("/metrics")).text
    for channel in channels:
        await channel.close()
    return tally, memory, states, metrics


def started(http_port, rpc_port):
    """The server's process, when it is ready."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sparseface_tf.programs", "serve", f"--model={MODEL.value}"),
            *(f"--http_port={http_port}", f"--grpc_port={rpc_port}"),
            f"--max_request_bytes={MAX_BYTES}",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{http_port}/v2/health/ready").raise_for_status()
            return process
        except httpx.HTTPError:
            time.sleep(0.3)
    sys.exit(f"error: the server ended with status {process.returncode}.")


def report(tally, memory, states, metrics):
    """Prints what was found; returns whether the goals are met."""
    counts, half = tally.counts, (memory[0][0] + memory[-1][0]) / 2
    first = [mib for at, mib in memory if at < half]
    second = [mib for at, mib in memory if at >= half]
    p50, p95, p99 = np.percentile(tally.seconds, (50, 95, 99))
    ready = [seconds for status, seconds in states if status == 200]
    rows = [
        ["what", ""],
        ["good requests sent", f"{counts['sent']:,}"],
        ["of them answered, and right", f"{counts['right']:,}"],
        ["a second", f"{counts['right'] / SECONDS.value:.1f}"],
        ["hostile requests", f"{counts['hostile']:,}"],
        ["wrong, lost, or not plainly refused", f"{len(tally.wrong)}"],
        ["attempts that were told to try again", f"{counts['told to try again']:,}"],
        ["seconds to the answer, attempts included: p50, p95, p99", f"{p50:.2f}, {p95:.2f}, {p99:.2f}"],
        ["ready, of the times that it was asked", f"{len(ready)} of {len(states)}"],
        ["seconds to say so: median, longest", f"{np.median(ready):.3f}, {max(ready):.2f}"],
        ["MiB of memory at the start, at most", f"{memory[0][1]:.0f}, {max(first + second):.0f}"],
        ["MiB, median of the first half, of the second", f"{np.median(first):.0f}, {np.median(second):.0f}"],
    ]  # fmt: skip
    print(markdown_table(rows))
    print("\nBy way:", ", ".join(f"{k} {v:,}" for k, v in counts.items() if "," in k))
    for line in metrics.splitlines():
        if line.startswith(("requests_refused_total", "requests_admitted ")):
            print(line)
    for name, found in tally.wrong[:10]:
        print(f"wrong: {name}: {found}")
    return not tally.wrong and counts["sent"] == counts["right"] and len(ready) == len(states)


def free_ports():
    with socket.socket() as one, socket.socket() as two:
        for part in (one, two):
            part.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def main(_):
    logging.set_verbosity(logging.WARNING)
    good, ports = Good(open_embedder(f"{MODEL.value}/1")), free_ports()
    process = started(*ports)
    try:
        found = asyncio.run(load(good, process, *ports))
    finally:
        process.terminate()
        status = process.wait()
    met = report(*found)
    print(f"It ended with status {status}.")
    sys.exit(0 if met and status == 0 else "error: the goals are not met.")


if __name__ == "__main__":
    app.run(main)
