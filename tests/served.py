"""A server in a thread of this process, for tests of how it answers."""

import asyncio
import contextlib
import socket
import threading
import time

import grpc
import httpx
import keras
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from pipelines.faces.regions import WHOLE_FACE
from sparseface_tf.export.saved_model import signatures
from sparseface_tf.serving.server import FaceServer

CROP = (28, 24, 3)


def write_small_model(folder):
    """A network of one layer as a SavedModel, FOLDER/1: crops of `CROP`, 16 features."""
    image = keras.Input(CROP)
    network = keras.Model(image, keras.layers.Dense(16)(keras.layers.Flatten()(image)))
    signatures.write_saved_model(folder / "1", network, WHOLE_FACE.scaled(CROP[1]))
    return folder / "1"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Served:
    """A `FaceServer`, and clients of it.

    Attributes:
        server: the `FaceServer`.
        http: `httpx.Client`.
        grpc: stub of V2's service.
        port: of HTTP.
    """

    def __init__(self, model, **settings):
        self.port, grpc_port = free_ports(2)
        self.model = model
        self.server = FaceServer(
            http_port=self.port,
            grpc_port=grpc_port,
            enable_latency_logging=False,
            **settings,
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
        self.grpc = GRPCInferenceServiceStub(self.channel)
        grpc.channel_ready_future(self.channel).result(30)
        end = time.time() + 30
        while time.time() < end:
            with contextlib.suppress(httpx.TransportError):
                if self.http.get("/v2/health/ready").status_code == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError("the server does not get ready")

    async def _run(self):
        self.loop = asyncio.get_running_loop()
        await self.server.serve([self.model])

    def call(self, function):
        """Calls a function in the server's loop."""
        done = asyncio.run_coroutine_threadsafe(self._called(function), self.loop)
        return done.result(30)

    async def _called(self, function):
        return function()

    def stop(self):
        """Stops it as a signal would; returns whether it ended."""
        if self._thread.is_alive():
            self.call(lambda: self.server.stop(15))
        self._thread.join(60)
        return not self._thread.is_alive()

    def close(self):
        self.channel.close()
        self.http.close()
