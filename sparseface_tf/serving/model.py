"""A SavedModel as a model of KServe."""

import asyncio
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import tensorflow as tf
from absl import logging
from google.protobuf import json_format
from kserve import InferRequest, InferResponse, Model
from kserve.errors import InvalidInput

from pipelines.faces.images import reason_of
from sparseface_tf.embedding.saved_model import DEFAULT, SavedModelNetwork
from sparseface_tf.embedding.versions import find_version
from sparseface_tf.serving import tensors


class FaceModel(Model):
    """Answers requests to the signatures of a SavedModel.

    A V1 request says which in "signature_name", a V2 one in a parameter of that name; else it is
    serving_default.

    Args:
        name: what clients call it.
        path: the SavedModel: the folder of a version or of all, of which the highest is taken.
        max_faces: most faces of a request.
        threads: requests that are computed at a time; default: one for each core.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not to be used.
    """

    def __init__(
        self,
        name: str,
        path: str | os.PathLike,
        max_faces: int = 64,
        threads: int | None = None,
    ) -> None:
        super().__init__(name)
        self.path, self.max_faces = find_version(path), max_faces
        if self.path is None:
            raise FileNotFoundError(
                f"No SavedModel {path}: python export.py --format=saved_model makes one."
            )
        # Computing must not stop the loop that reads requests.
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="signature")
        self.load()

    def load(self) -> bool:
        try:
            self.network = SavedModelNetwork(self.path)
            self._tensors = {
                name: tensors.signature_tensors(function)
                for name, function in self.network.signatures.items()
            }
        except Exception as error:
            raise ValueError(f"{self.path} is not to be served: {error}") from None
        self.ready = True
        return True

    def get_input_types(self) -> list[dict]:
        return [tensor.described() for tensor in self._tensors[DEFAULT][0].values()]

    def get_output_types(self) -> list[dict]:
        return [tensor.described() for tensor in self._tensors[DEFAULT][1].values()]

    @property
    def version(self):
        """Name of the version's folder."""
        return os.path.basename(os.path.abspath(self.path))

    def metadata(self) -> dict:
        """What TensorFlow Serving answers to GET /v1/models/NAME/metadata."""
        signatures = {
            name: json_format.MessageToDict(self.network.graph.signature_def[name])
            for name in self.network.signatures
        }
        return {
            "model_spec": {"name": self.name, "signature_name": "", "version": self.version},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }

    async def predict(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._answer, payload)

    def _answer(self, payload):
        """The answer to a request; InvalidInput, in one line, for one that has none."""
        try:
            if isinstance(payload, InferRequest):
                return self._v2(payload)
            return self._v1(payload)
        except ValueError as error:
            raise InvalidInput(_one_line(error)) from None
        except tf.errors.OpError as error:
            raise InvalidInput(f"It cannot be computed: {reason_of(error)}.") from None

    def _v1(self, body):
        if isinstance(body, bytes):
            body = orjson.loads(body)  # whatever its content type is, as in TensorFlow Serving
        if not isinstance(body, dict):
            raise ValueError("A request is a JSON object with 'instances'")
        inputs, run = self._signature(body.get(tensors.SIGNATURE, DEFAULT))
        return tensors.to_predictions(run(tensors.from_instances(body, inputs)))

    def _v2(self, request):
        inputs, run = self._signature(tensors.parameters(request).get(tensors.SIGNATURE, DEFAULT))
        outputs = run(tensors.from_infer_request(request, inputs))
        requested, binary = request.request_outputs, request.use_binary_outputs
        return InferResponse(
            response_id=request.id or str(uuid.uuid4()),
            model_name=self.name,
            model_version=self.version,
            infer_outputs=tensors.to_infer_outputs(outputs, requested, binary),
            use_binary_outputs=binary,
            requested_outputs=requested,
        )

    def _signature(self, name):
        """Inputs of a signature, dict of `Tensor`, and the function that runs it."""
        if not isinstance(name, str) or name not in self._tensors:
            raise ValueError(
                f"There is no signature {str(name)[:40]!r}: there are {', '.join(self._tensors)}"
            )

        def run(values):
            counts = {len(value) for value in values.values()}
            if len(counts) > 1 or not 1 <= min(counts) <= self.max_faces:
                raise ValueError(
                    f"A request is of 1 to {self.max_faces} faces, as many in every input"
                )
            outputs = self.network.signatures[name](
                **{key: tf.constant(value) for key, value in values.items()}
            )
            outputs = {key: outputs[key].numpy() for key in self._tensors[name][1]}
            if not all(np.isfinite(value).all() for value in outputs.values()):
                raise ValueError("The result is not finite: crops are about -1 to 1")
            return outputs

        return self._tensors[name][0], run


def _one_line(error):
    text = " ".join(str(error).split())
    logging.debug("Refused: %s", text)
    return text[:300].rstrip(".") + "."
