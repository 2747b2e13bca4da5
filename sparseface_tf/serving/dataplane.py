"""How requests are read and what is said of the server's state: KServe's data plane, hardened."""

from typing import Any

import numpy as np
import orjson
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import INFERENCE_CONTENT_LENGTH_HEADER, DataPlane
from kserve.protocol.infer_type import RequestedOutput, deserialize_bytes_tensor
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.utils.numpy_codec import to_np_dtype

from sparseface_tf.serving.admission import Admission
from sparseface_tf.serving.sentences import sentence

# A computation that takes as many times the deadline will not end: the server is to be started anew.
_STUCK = 4


class FaceDataPlane(DataPlane):
    """KServe's data plane, in which

    * what is malformed is an error of the client;
    * binary data of V2 over HTTP may be files: KServe's own code takes only text in UTF-8;
    * the server is ready while it takes requests and its models are loaded, and alive while no
      computation hangs.

    Args:
        model_registry: KServe's.
        admission: see there.
    """

    def __init__(self, model_registry: Any, admission: Admission) -> None:
        super().__init__(model_registry=model_registry)
        self._admission = admission

    async def ready(self) -> bool:
        models = self.model_registry.get_models()
        states = [await self.model_registry.is_model_ready(name) for name in models]
        return bool(states) and all(states) and not self._admission.stopping

    async def live(self) -> dict[str, str]:
        models = self.model_registry.get_models().values()
        longest = max((model.longest() for model in models), default=0.0)
        alive = longest < _STUCK * self._admission.deadline
        return {"status": "alive" if alive else "a computation does not end"}

    def decode(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().decode(*arguments, **named)
        except InvalidInput as error:
            raise InvalidInput(_json_fault(error.__context__) or sentence(error)) from None
        # What is missing or of another type is met all over the code that reads a request.
        except Exception as error:
            raise InvalidInput(_json_fault(error) or _malformed(error)) from None

    def decode_inference_request(self, body: Any, headers: Any, model_name: str) -> InferRequest:
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


class FixedModels(ModelRepositoryExtension):
    """Refuses to load and to unload models for clients."""

    async def load(self, model_name: str) -> None:
        raise InvalidInput("Models are loaded when the server starts.")

    async def unload(self, model_name: str) -> None:
        raise InvalidInput("Models are not unloaded by requests.")


def _json_fault(error):
    """What is wrong with a request that is no JSON; "" if it is something else."""
    if not isinstance(error, orjson.JSONDecodeError):
        return ""
    return sentence(f"The request is no JSON: {error.msg}, line {error.lineno}, column {error.colno}")


def _malformed(error):
    if isinstance(error, KeyError):
        return sentence(f"The request is malformed: {error} is missing")
    return sentence(f"The request is malformed: {error}")


def _from_bytes(content, datatype):
    """The values of an input's binary data, a flat array."""
    if datatype == "BYTES":
        return deserialize_bytes_tensor(content)
    return np.frombuffer(content, to_np_dtype(datatype))
