"""KServe's model server with what strangers' requests ask for besides."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, ORJSONResponse
from kserve import ModelServer, model_server
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.rest.server import RESTServer

from sparseface_tf.serving.admission import Admission
from sparseface_tf.serving.dataplane import FaceDataPlane, FixedModels
from sparseface_tf.serving.http import AdmittedRequests
from sparseface_tf.serving.model import FaceModel
from sparseface_tf.serving.rpc import RpcServer
from sparseface_tf.serving.sentences import sentence

_GRACE = 5  # seconds beyond the deadline that a stop takes at most
_LOG = logging.getLogger("kserve")


class FaceServer(ModelServer):
    """KServe's server, in which a bad request is an error of the client, in one sentence.

    * Requests beyond `waiting` get 503, those that take too long 504, bodies above a size 413.
    * What is malformed gives 400, where KServe's own code would give 422 or 500.
    * When it is told to stop, it takes no more requests, answers those that it has, and ends.
    * Clients cannot unload the model, nor fill the log.
    * GET /v1/models/NAME/metadata answers as TensorFlow Serving does.
    * It listens on one address, 127.0.0.1 unless told otherwise.

    Args:
        max_request_bytes: most bytes of an HTTP request's body.
        host: address to listen on, HTTP and gRPC.
        running: requests that are computed at a time.
        waiting: requests that may wait besides.
        deadline: seconds that a request has.
        max_message_bytes: most bytes of a gRPC message, received and sent.
        **arguments: `kserve.ModelServer`'s.
    """

    def __init__(
        self,
        max_request_bytes: int,
        host: str = "127.0.0.1",
        running: int = 2,
        waiting: int = 64,
        deadline: float = 30.0,
        max_message_bytes: tuple[int, int] = (model_server.MAX_GRPC_MESSAGE_LENGTH,) * 2,
        **arguments: Any,
    ) -> None:
        super().__init__(grace_period=int(deadline) + _GRACE, **arguments)
        self.host, self.admission = host, Admission(running, waiting, deadline)
        self.dataplane = FaceDataPlane(self.registered_models, self.admission)
        self.model_repository_extension = FixedModels(model_registry=self.registered_models)
        self._rest_server = _RestServer(self, max_request_bytes)
        if self.enable_grpc:
            self._grpc_server = RpcServer(
                f"[{host}]:{self.grpc_port}" if ":" in host else f"{host}:{self.grpc_port}",
                self.admission,
                self.dataplane,
                self.model_repository_extension,
                *max_message_bytes,
                grace=self.grace_period,
            )
        if _short not in _LOG.filters:
            _LOG.addFilter(_short)

    def start(self, models: Sequence[FaceModel]) -> None:
        """Serves models until a signal ends it: see `serve`.

        Args:
            models: list of `FaceModel`.

        Raises:
            OSError: if it cannot listen.
        """
        if not is_loopback(self.host):
            _LOG.warning(
                "Whoever reaches %s may use the server: it asks for no password.", self.host
            )
        self.register_signal_handler()
        asyncio.run(self.serve(models))

    async def serve(self, models: Sequence[FaceModel]) -> None:
        """Serves models until the server is told to stop, by a signal or by `stop`.

        Args:
            models: list of `FaceModel`.

        Raises:
            OSError: if it cannot listen.
        """
        for model in models:
            self.register_model(model)
            model.enable_latency_logging = self.enable_latency_logging
        self._rest_server.listen()
        if self.enable_grpc:
            await self._grpc_server.listen()
        servers = [self._rest_server.start()]
        if self.enable_grpc:
            servers.append(self._grpc_server.serve())
        await asyncio.gather(*servers)

    def stop(self, sig: int) -> None:
        """Takes no more requests, and ends when those that it has are answered.

        Called in the server's event loop.

        Args:
            sig: the signal that asked for it.
        """
        self.admission.stop()
        self._rest_server.stop()
        if self.enable_grpc:
            self._ending = asyncio.create_task(self._grpc_server.stop(sig))


class _RestServer(RESTServer):
    """KServe's HTTP server with the admission, at an address of one's own."""

    def __init__(self, server, max_request_bytes):
        super().__init__(
            "",  # the application, see create_application
            server.dataplane,
            server.model_repository_extension,
            server.http_port,
            access_log_format=server.access_log_format,
            grace_period=server.grace_period,
            event_loop=server.event_loop,
            timeout_keep_alive=server.timeout_keep_alive,
            ssl_certfile=server.ssl_certfile,
            ssl_keyfile=server.ssl_keyfile,
        )
        self.config.host, self._enable_docs_url = server.host, server.enable_docs_url
        self._max_request_bytes, self._admission = max_request_bytes, server.admission
        # What uvicorn calls when a signal comes; when it has ended, KServe's handler has its turn.
        ended = self._server.handle_exit

        def handle_exit(sig, frame):
            self._admission.stop()
            ended(sig, frame)

        self._server.handle_exit = handle_exit

    def listen(self):
        """Takes its port; OSError if that is taken."""
        host, port = self.config.host, self.config.port
        try:
            family, kind, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.socket(family, kind)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError as error:
            raise OSError(
                f"{host}:{port} is not to be had, {error.strerror}: give another --http_port or --host."
            ) from None

    async def start(self):
        self.create_application()
        await self._server.serve(sockets=[self._socket])

    def stop(self):
        self._server.should_exit = True

    def create_application(self):
        # One's own: KServe's is a global, which would keep the routes of every server of a process.
        app = FastAPI(
            title="KServe ModelServer",
            docs_url="/docs" if self._enable_docs_url else None,
            redoc_url=None,
            default_response_class=ORJSONResponse,
        )
        app.add_middleware(
            AdmittedRequests,
            admission=self._admission,
            max_request_bytes=self._max_request_bytes,
        )
        self._add_middlewares(app)
        self._register_endpoints(app)
        self._add_exception_handlers(app)
        app.add_exception_handler(RequestValidationError, _malformed)
        app.add_exception_handler(Exception, _failed)
        app.add_api_route("/v1/models/{model_name}/metadata", self._metadata, methods=["GET"])
        self.config.app = app

    async def _metadata(self, model_name: str):
        model = self.dataplane.model_registry.get_model(model_name)
        if model is None:
            raise ModelNotFound(model_name)
        return model.metadata()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _short(record):
    """Leaves where an error of a client came from out of the log."""
    if record.exc_info and isinstance(record.exc_info[1], (InvalidInput, ModelNotFound)):
        record.msg, record.args, record.exc_info = f"Refused: {record.exc_info[1]}", (), None
    return True


async def _malformed(request: Request, error: RequestValidationError):
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    text = sentence(f"The request is malformed: {place[:100]}: {first['msg']}")
    return JSONResponse({"error": text}, status_code=400)


async def _failed(request: Request, error: Exception):
    return JSONResponse({"error": "The server failed: its log says why."}, status_code=500)
