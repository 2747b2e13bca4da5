"""Requests over gRPC: admitted, and answered in time. KServe's service at an address of one's own."""

from typing import Any

import grpc
from grpc_interceptor.exceptions import DeadlineExceeded, Unavailable
from kserve.errors import InvalidInput
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor, LoggingInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer

from sparseface_tf.serving.admission import RETRY_AFTER, Admission, Busy, Late
from sparseface_tf.serving.sentences import sentence

_INFER = "/ModelInfer"
# Calls beyond those admitted that are answered, by a refusal or with the server's state. More are
# refused by gRPC itself, before their message is read.
_SPARE = 200


class RpcServer:
    """KServe's gRPC service under an `Admission`.

    Args:
        address: HOST:PORT.
        admission: see there.
        dataplane, repository: KServe's.
        max_receive_bytes, max_send_bytes: most bytes of a message.
        grace: seconds that calls have to end when the server is stopped.
    """

    def __init__(
        self,
        address: str,
        admission: Admission,
        dataplane: Any,
        repository: Any,
        max_receive_bytes: int,
        max_send_bytes: int,
        grace: float,
    ) -> None:
        self.address, self.admission, self.grace = address, admission, grace
        self._servicer = InferenceServicer(dataplane, repository)
        self._options = [
            ("grpc.max_receive_message_length", max_receive_bytes),
            ("grpc.max_send_message_length", max_send_bytes),
            # A port that is taken is an error, not one that two servers share.
            ("grpc.so_reuseport", 0),
        ]
        self._server: Any = None

    async def listen(self) -> None:
        """Takes its port.

        Raises:
            OSError: if that is taken.
        """
        self._server = grpc.aio.server(
            # From the outermost to the innermost.
            interceptors=(
                LoggingInterceptor(),
                ExceptionToStatusInterceptor(),
                _AdmittedCalls(self.admission),
            ),
            options=self._options,
            maximum_concurrent_rpcs=self.admission.limit + _SPARE,
        )
        grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
            self._servicer, self._server
        )
        try:
            self._server.add_insecure_port(self.address)
        except RuntimeError:
            await self._server.stop(None)
            raise OSError(f"{self.address} is not to be had: give another --grpc_port.") from None

    async def serve(self) -> None:
        """Serves until it is stopped; after `listen`."""
        await self._server.start()
        await self._server.wait_for_termination()

    async def stop(self, sig: int | None = None) -> None:
        """Ends the server when its calls have ended, or their grace has."""
        if self._server is not None:
            await self._server.stop(self.grace)


class _AdmittedCalls(grpc.aio.ServerInterceptor):
    def __init__(self, admission):
        self._admission = admission

    async def intercept_service(self, continuation, handler_call_details):
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.endswith(_INFER):
            return handler

        async def admitted(request, context):
            return await self._answered(handler.unary_unary, request, context)

        return grpc.unary_unary_rpc_method_handler(
            admitted, handler.request_deserializer, handler.response_serializer
        )

    async def _answered(self, behaviour, request, context):
        admission = self._admission
        try:
            with admission.place():
                return await admission.in_time(
                    admission.computed(lambda: behaviour(request, context))
                )
        except Busy as error:
            # What gRPC's clients that retry go by.
            context.set_trailing_metadata((("grpc-retry-pushback-ms", str(1000 * RETRY_AFTER)),))
            raise Unavailable(str(error)) from None
        except Late as error:
            raise DeadlineExceeded(str(error)) from None
        except InvalidInput as error:
            raise InvalidInput(sentence(error)) from None
