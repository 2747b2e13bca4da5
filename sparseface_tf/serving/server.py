"""KServe's model server with what strangers' requests ask for besides."""

import logging
from typing import Any

import numpy as np
import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve import InferInput, InferRequest, ModelServer, model_server
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.dataplane import INFERENCE_CONTENT_LENGTH_HEADER, DataPlane
from kserve.protocol.infer_type import RequestedOutput, deserialize_bytes_tensor
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.utils.numpy_codec import to_np_dtype
from starlette.middleware.body_limit import RequestBodyLimitMiddleware


class FaceServer(ModelServer):
    """KServe's server, in which a bad request is an error of the client, in one line.

    * Bodies above a size are refused, before they are read. (gRPC has such a limit of its own.)
    * What is malformed gives 400, where KServe's own code would give 422 or 500.
    * Clients cannot unload the model, nor fill the log.
    * GET /v1/models/NAME/metadata answers as TensorFlow Serving does.
    * Binary data of V2 over HTTP may be files; KServe's own code takes only text in UTF-8.

    Args:
        max_request_bytes: most bytes of an HTTP request's body.
        **arguments: `kserve.ModelServer`'s.
    """

    def __init__(self, max_request_bytes: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.dataplane = _DataPlane(model_registry=self.registered_models)
        self.model_repository_extension = _FixedModels(model_registry=self.registered_models)
        app = model_server.app
        app.add_middleware(RequestBodyLimitMiddleware, max_body_size=max_request_bytes)
        app.add_exception_handler(RequestValidationError, _malformed)
        logging.getLogger("kserve").addFilter(_short)
        app.add_api_route("/v1/models/{model_name}/metadata", self._metadata, methods=["GET"])

    async def _metadata(self, model_name: str):
        model = self.registered_models.get_model(model_name)
        if model is None:
            raise ModelNotFound(model_name)
        return model.metadata()


class _DataPlane(DataPlane):
    def decode(self, *arguments, **named):
        try:
            return super().decode(*arguments, **named)
        except InvalidInput:
            raise
        # What is missing or of another type is met all over the code that reads a request.
        except Exception as error:
            raise InvalidInput(f"The request is malformed: {_line(error)}.") from None

    def decode_inference_request(self, body, headers, model_name):
        length = headers.get(INFERENCE_CONTENT_LENGTH_HEADER)
        if not isinstance(body, bytes) or length is None:
            return super().decode_inference_request(body, headers, model_name)
        start = int(length)
        if not 0 <= start <= len(body):
            raise InvalidInput(f"{INFERENCE_CONTENT_LENGTH_HEADER} is not within the request.")
        request, inputs = orjson.loads(body[:start]), []
        for tensor in request["inputs"]:
            data, parameters = tensor.get("data"), tensor.get("parameters") or {}
            if data is None:
                end = start + int(parameters["binary_data_size"])
                if not start <= end <= len(body):
                    raise InvalidInput(f"The binary data of {tensor['name']} end too early.")
                data, start = _from_bytes(body[start:end], tensor["datatype"]), end
            inputs.append(
                InferInput(tensor["name"], tensor["shape"], tensor["datatype"], data, parameters)
            )
        outputs = [
            RequestedOutput(output["name"], output.get("parameters"))
            for output in request.get("outputs") or ()
        ]
        return InferRequest(
            model_name,
            inputs,
            request_id=request.get("id"),
            parameters=request.get("parameters"),
            request_outputs=outputs or None,
        )


class _FixedModels(ModelRepositoryExtension):
    async def load(self, model_name):
        raise InvalidInput("Models are loaded when the server starts.")

    async def unload(self, model_name):
        raise InvalidInput("Models are not unloaded by requests.")


def _short(record):
    """Leaves where an error of a client came from out of the log."""
    if record.exc_info and isinstance(record.exc_info[1], (InvalidInput, ModelNotFound)):
        record.msg, record.args, record.exc_info = f"Refused: {record.exc_info[1]}", (), None
    return True


async def _malformed(request: Request, error: RequestValidationError):
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    text = f"The request is malformed: {place[:100]}: {_line(first['msg'])}."
    return JSONResponse({"error": text}, status_code=400)


def _from_bytes(content, datatype):
    """The values of an input's binary data, a flat array."""
    if datatype == "BYTES":
        return deserialize_bytes_tensor(content)
    return np.frombuffer(content, to_np_dtype(datatype))


def _line(error):
    return " ".join(str(error).split())[:200].rstrip(".")
