"""A SavedModel as a model of KServe."""

import asyncio
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import tensorflow as tf
from google.protobuf import json_format
from kserve import InferRequest, InferResponse, Model
from kserve.errors import InvalidInput

from pipelines.faces.images import MAX_PIXELS, declared_pixels
from pipelines.faces.reasons import reason_of
from sparseface_tf.embedding.saved_model import DEFAULT, SavedModelNetwork, find_version
from sparseface_tf.serving import tensors
from sparseface_tf.serving.admission import Busy
from sparseface_tf.serving.sentences import sentence


class FaceModel(Model):
    """Answers requests to the signatures of a SavedModel.

    A V1 request says which in "signature_name", a V2 one in a parameter of that name; else it is
    serving_default.

    Args:
        name: what clients call it.
        path: the SavedModel: the folder of a version or of all, of which the highest is taken.
        max_faces: most faces of a request.
        threads: requests that are computed at a time; default: one for each core.
        max_pixels: most pixels of a request's images together.

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
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__(name)
        self.path, self.max_faces, self.max_pixels = find_version(path), max_faces, max_pixels
        if self.path is None:
            raise FileNotFoundError(
                f"No SavedModel {path}: python export.py --format=saved_model makes one."
            )
        # Computing must not stop the loop that reads requests.
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="signature")
        self._begun: dict[int, float] = {}
        self.load()

    def load(self) -> bool:
        try:
            self.network = SavedModelNetwork(self.path)
            self._tensors = {
                name: tensors.signature_tensors(function)
                for name, function in self.network.signatures.items()
            }
            # The first run of each takes longest: nobody should wait for it.
            declared_pixels(b"")
            for name, (inputs, _) in self._tensors.items():
                self._computed(name, {key: tensor.example() for key, tensor in inputs.items()})
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

    def longest(self) -> float:
        """Seconds since the oldest computation that has not ended began; 0 if there is none."""
        begun = [*self._begun.values()]
        return time.monotonic() - min(begun) if begun else 0.0

    async def predict(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        loop, given_up = asyncio.get_running_loop(), threading.Event()
        try:
            return await loop.run_in_executor(self._pool, self._answer, payload, given_up)
        finally:
            # Of use where nobody waits for the answer any more.
            given_up.set()

    def _answer(self, payload, given_up):
        """The answer to a request; InvalidInput, in a sentence, for one that has none."""
        number = threading.get_ident()
        self._begun[number] = time.monotonic()
        try:
            if isinstance(payload, InferRequest):
                return self._v2(payload, given_up)
            return self._v1(payload, given_up)
        except ValueError as error:
            raise InvalidInput(sentence(error)) from None
        finally:
            del self._begun[number]

    def _v1(self, body, given_up):
        if isinstance(body, bytes):
            body = orjson.loads(body)  # whatever its content type is, as in TensorFlow Serving
        if not isinstance(body, dict):
            raise ValueError("A request is a JSON object with 'instances'")
        inputs, run = self._signature(body.get(tensors.SIGNATURE, DEFAULT))
        return tensors.to_predictions(run(tensors.from_instances(body, inputs), given_up))

    def _v2(self, request, given_up):
        inputs, run = self._signature(tensors.parameters(request).get(tensors.SIGNATURE, DEFAULT))
        outputs = run(tensors.from_infer_request(request, inputs), given_up)
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

        def run(values, given_up):
            self._check_limits(values)
            try:
                outputs = self._computed(name, values)
            except tf.errors.ResourceExhaustedError:
                raise Busy("There is not enough memory for it: send less, or later.") from None
            except tf.errors.OpError as error:
                raise ValueError(self._fault(name, values, error, given_up)) from None
            if not all(np.isfinite(value).all() for value in outputs.values()):
                raise ValueError("The result is not finite: crops are about -1 to 1")
            return outputs

        return self._tensors[name][0], run

    def _check_limits(self, values):
        counts = {len(value) for value in values.values()}
        if len(counts) > 1 or not 1 <= min(counts) <= self.max_faces:
            raise ValueError(f"A request is of 1 to {self.max_faces} faces, as many in every input")
        pixels = sum(
            _pixels(content)
            for value in values.values()
            if value.dtype == object
            for content in value
        )
        if pixels > self.max_pixels:
            raise ValueError(
                f"The images have {pixels / 1e6:.1f} million pixels together: at most "
                f"{self.max_pixels / 1e6:.1f} million a request, the server's --max_pixels"
            )

    def _computed(self, name, values):
        """Outputs of a signature, dict of arrays."""
        outputs = self.network.signatures[name](
            **{key: tf.constant(value) for key, value in values.items()}
        )
        return {key: outputs[key].numpy() for key in self._tensors[name][1]}

    def _fault(self, name, values, error, given_up):
        """What is wrong with the first face that a signature fails on, a sentence."""
        count = len(next(iter(values.values())))
        if not any(value.dtype == object for value in values.values()):
            return f"It cannot be computed: {reason_of(error, 'the network does not take it')}"
        # A graph does not say at which face it failed.
        for i in range(count if count > 1 else 0):
            if given_up.is_set():
                break
            try:
                self._computed(name, {key: value[i : i + 1] for key, value in values.items()})
            except tf.errors.OpError as alone:
                return f"Image {i + 1} of {count} cannot be used: {reason_of(alone)}"
        return f"The image cannot be used: {reason_of(error)}"


def _pixels(content):
    """Pixels that an image file declares, an integer; 0 for what is no such file."""
    try:
        return max(0, int(declared_pixels(content)))
    except tf.errors.OpError:
        return 0
