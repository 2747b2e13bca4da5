"""KServe's server with a SavedModel, over real HTTP and gRPC."""

import base64
import concurrent.futures
import io
import json
import pathlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from mutations import mutated
from PIL import Image
from sparse_networks import calibrated

from pipelines.sources.synthetic import SyntheticFaces
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.export.network import in_float32
from sparseface_tf.export.saved_model import signatures
from sparseface_tf.recognition.scoring import JOINT_BAYESIAN

pytest.importorskip("kserve", reason="KServe is not installed: pip install 'sparseface_tf[serve]'")

import grpc  # noqa: E402
import httpx  # noqa: E402
from kserve import InferInput, InferRequest  # noqa: E402
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb  # noqa: E402
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub  # noqa: E402
from kserve.protocol.infer_type import InferResponse  # noqa: E402
from served import free_ports  # noqa: E402

from sparseface_tf import serving  # noqa: E402
from sparseface_tf.serving.__main__ import main  # noqa: E402
from sparseface_tf.serving.model import FaceModel  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent
MAX_BYTES, MAX_FACES = 400_000, 8
PREDICT, INFER = "/v1/models/face:predict", "/v2/models/face/infer"


class Server:
    """A server that was started as a user starts it, and the model that it serves."""

    def __init__(self, root):
        scoring = calibrated(root)
        embedder = open_embedder(root / "model.keras")
        # As export.py does, in a quarter of the time.
        signatures.write_saved_model(
            root / "face" / "1",
            in_float32(embedder.network),
            embedder.region,
            (JOINT_BAYESIAN, scoring),
        )
        self.model = tf.saved_model.load(str(root / "face" / "1"))
        http, grpc_port = free_ports(2)
        self.log = root / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sparseface_tf.serving", f"--model={root}/face"),
                    *("--model_name=face", f"--http_port={http}", f"--grpc_port={grpc_port}"),
                    *(f"--max_faces={MAX_FACES}", f"--max_request_bytes={MAX_BYTES}"),
                    f"--grpc_max_receive_message_length={MAX_BYTES}",
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=60)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
        self.grpc = GRPCInferenceServiceStub(self.channel)
        end = time.time() + 120
        while not self.ready():
            assert self.process.poll() is None and time.time() < end, self.log.read_text()
            time.sleep(0.2)

    def ready(self):
        try:
            ready = self.http.get("/v2/models/face/ready").status_code == 200
            return ready and self.grpc.ServerReady(pb.ServerReadyRequest()).ready
        except (httpx.TransportError, grpc.RpcError):
            return False

    def direct(self, signature="serving_default", **inputs):
        """What the signature gives without a server."""
        outputs = self.model.signatures[signature](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        return {name: value.numpy() for name, value in outputs.items()}

    def predict(self, instances, signature=None):
        body = {"instances": instances} | ({"signature_name": signature} if signature else {})
        answer = self.http.post(PREDICT, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"]

    def refused(self, path, code=400, **request):
        """The line that a bad request is answered by."""
        answer = self.http.post(path, **request)
        assert answer.status_code == code, answer.text
        assert "Traceback" not in answer.text and "\n" not in answer.text.strip()
        return answer.json()["error"] if code == 400 else answer.text


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("served"))
    yield started
    started.channel.close()
    started.http.close()
    started.process.terminate()
    # Whatever was asked of it, it lives to the end, and ends when it is told to.
    assert started.process.wait(60) == 0, started.log.read_text()[-3000:]
    text = started.log.read_text()
    assert "500 Internal" not in text and "Internal server error" not in text


def crops(count, seed=0):
    images = np.random.default_rng(seed).uniform(-1, 1, (count, 28, 24, 3))
    return images.astype(np.float32)


@pytest.fixture(scope="module")
def faces():
    """Files of rendered faces, one JPEG and one PNG, and their landmarks."""
    source = SyntheticFaces(identities=2, images_per_identity=1)
    contents, points = [], []
    for i, kind in enumerate(("JPEG", "PNG")):
        image, landmarks = source.load(tf.constant(i))
        file = io.BytesIO()
        Image.fromarray(image.numpy()).save(file, kind)
        contents.append(file.getvalue())
        points.append(landmarks.numpy())
    return contents, np.stack(points)


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


# === Status and metadata ===


def test_status(server):
    get = server.http.get
    assert get("/v1/models/face").json() == {"name": "face", "ready": True}
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/v2/models/face/ready").json() == {"name": "face", "ready": True}
    assert get("/v1/models").json() == {"models": ["face"]}
    for path in ("/v1/models/other", "/v1/models/other/metadata", "/v2/models/other/ready"):
        assert get(path).status_code == 404
    assert server.grpc.ModelReady(pb.ModelReadyRequest(name="face")).ready
    assert server.grpc.ServerLive(pb.ServerLiveRequest()).live


def test_metadata(server):
    about = server.http.get("/v1/models/face/metadata").json()
    assert about["model_spec"] == {"name": "face", "signature_name": "", "version": "1"}
    signatures = about["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == set(server.model.signatures)
    assert signatures["embed_jpeg"]["inputs"]["image"]["dtype"] == "DT_STRING"
    sides = signatures["serving_default"]["inputs"]["image"]["tensorShape"]["dim"]
    assert [side["size"] for side in sides] == ["-1", "28", "24", "3"]

    image = {"name": "image", "datatype": "FP32", "shape": [-1, 28, 24, 3]}
    embedding = {"name": "embedding", "datatype": "FP32", "shape": [-1, 16]}
    about = server.http.get("/v2/models/face").json()
    assert (about["inputs"], about["outputs"]) == ([image], [embedding])
    about = server.grpc.ModelMetadata(pb.ModelMetadataRequest(name="face"))
    assert list(about.inputs[0].shape) == image["shape"] and about.outputs[0].name == "embedding"


# === V1 ===


def test_v1_takes_crops_by_name_and_bare(server):
    expected = server.direct(image=crops(3))["embedding"]
    for instances in (
        [{"image": crop} for crop in crops(3).tolist()],
        crops(3).tolist(),
    ):
        np.testing.assert_allclose(server.predict(instances), expected, rtol=1e-4, atol=1e-5)


def test_v1_takes_files(server, faces):
    contents, landmarks = faces
    named = [
        {"image": b64(content), "landmarks": points.tolist()}
        for content, points in zip(contents, landmarks)
    ]
    expected = server.direct("embed_jpeg", image=contents, landmarks=landmarks)["embedding"]
    found = server.predict(named, "embed_jpeg")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    box = np.float32([[30, 30, 60, 60]] * 2)
    named = [{"image": b64(x), "box": y} for x, y in zip(contents, box.tolist())]
    expected = server.direct("embed_jpeg_box", image=contents, box=box)["embedding"]
    found = server.predict(named, "embed_jpeg_box")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_v1_gives_several_outputs_by_name(server):
    a, b = crops(2, 1), crops(2, 2)
    expected = server.direct("verify", image_a=a, image_b=b)
    named = [{"image_a": x, "image_b": y} for x, y in zip(a.tolist(), b.tolist())]
    found = server.predict(named, "verify")
    for name in ("score", "probability"):
        values = [row[name] for row in found]
        np.testing.assert_allclose(values, expected[name], rtol=1e-3, atol=1e-4)


def test_v1_does_not_mind_the_content_type(server):
    body = json.dumps({"instances": crops(1).tolist()})
    for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain"):
        answer = server.http.post(PREDICT, content=body, headers={"content-type": kind})
        assert answer.status_code == 200 and len(answer.json()["predictions"]) == 1


@pytest.mark.parametrize(
    "body, message",
    [
        ("", "malformed|unexpected|empty|JSON|format"),
        ("{", "format|JSON|unexpected"),
        ("[" * 100_000, "format|JSON|recursion|depth"),
        ("3", "JSON object"),
        ("null", "JSON object"),
        ("{}", "'instances' must be a list"),
        ('{"instances": []}', "'instances' must be a list"),
        ('{"instances": {"image": 1}}', '"instances" to be a list'),
        ('{"instances": [1], "signature_name": "other"}', "There is no signature 'other'"),
        ('{"instances": [1], "signature_name": ["verify"]}', "There is no signature"),
        ('{"instances": [1], "inputs": 2}', "'inputs' is not known"),
        ('{"instances": [1]}', "image: of shape 1 where faces x 28 x 24 x 3 is asked for"),
        ('{"instances": [[[1, 2], [3]]]}', "image: numbers are asked for"),
        ('{"instances": ["picture"]}', "image: numbers are asked for"),
        ('{"instances": [null]}', "image: numbers are asked for"),
        ('{"instances": [{"picture": 1}]}', "image: numbers are asked for"),
        ('{"instances": [{"image": 1}, 2]}', "image: numbers are asked for"),
        ('{"instances": [NaN]}', "format|JSON|unexpected"),
        ('{"instances": [{"image": {"b64": "AA=="}}], "signature_name": "embed_jpeg"}',
         "must have image and landmarks"),
        ('{"instances": [{"image": {"b64": 3}, "landmarks": []}], "signature_name": "embed_jpeg"}',
         "not base64"),
        ('{"instances": [{"image": {"b64": "?"}, "landmarks": 1}], "signature_name": "embed_jpeg"}',
         "not base64"),
        ('{"instances": [{"image": "text", "landmarks": []}], "signature_name": "embed_jpeg"}',
         "an encoded file is"),
        ('{"instances": [{"image": {"b64": "AA=="}, "landmarks": [[1, 2]]}], '
         '"signature_name": "embed_jpeg"}', "landmarks: of shape"),
    ],
)  # fmt: skip
def test_v1_malformed(server, body, message):
    assert re.search(message, server.refused(PREDICT, content=body))


def test_values_that_are_no_numbers_of_a_crop(server):
    huge = crops(1).astype(np.float64)
    huge[0, 3, 3, 0] = 1e300
    assert "NaN or infinity" in server.refused(PREDICT, json={"instances": huge.tolist()})
    # Finite, but not what comes of it.
    pair = {"embedding_a": [3e38] * 16, "embedding_b": [1e38] * 16}
    body = {"instances": [pair], "signature_name": "score"}
    assert "not finite" in server.refused(PREDICT, json=body)


def test_cloud_events(server):
    event = {"ce-id": "1", "ce-source": "x", "ce-type": "y", "ce-specversion": "1.0"}
    body = json.dumps({"instances": crops(1).tolist()})
    headers = {"content-type": "application/json"} | event
    answer = server.http.post(PREDICT, content=body, headers=headers)
    assert answer.status_code == 200 and len(answer.json()["predictions"]) == 1
    for missing in event:
        given = {k: v for k, v in headers.items() if k != missing}
        assert server.http.post(PREDICT, content=body, headers=given).status_code in (200, 400)
    kind = {"content-type": "application/cloudevents+json"}
    for part in ("{}", '{"data": 3}', "3"):
        server.refused(PREDICT, content=part, headers=kind)


# === V2 ===


def v2(inputs, signature=None, outputs=None, **parameters):
    parameters |= {"signature_name": signature} if signature else {}
    return InferRequest("face", inputs, parameters=parameters)


def tensor(name, value, datatype="FP32", binary=True, **parameters):
    found = InferInput(name, [*value.shape], datatype, parameters=parameters)
    found.set_data_from_numpy(value, binary_data=binary)
    return found


def post(server, request, **more):
    """Answer to a V2 request over HTTP, as JSON or with binary data behind it."""
    body, length = request.to_rest()
    if length is None:
        return server.http.post(INFER, json=body, **more)
    headers = {
        "inference-header-content-length": str(length),
        "content-type": "application/octet-stream",
    }
    return server.http.post(INFER, content=body, headers=headers)


def output(answer, name="embedding"):
    """An output of a V2 answer."""
    assert answer.status_code == 200, answer.text
    length = answer.headers.get("inference-header-content-length")
    if length is not None:
        found = InferResponse.from_bytes(answer.content, int(length))
    else:
        found = InferResponse.from_rest(answer.json())
    return found.get_output_by_name(name).as_numpy()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("binary_output", [False, True])
def test_v2_takes_crops(server, binary, binary_output):
    expected = server.direct(image=crops(2))["embedding"]
    request = v2([tensor("image", crops(2), binary=binary)], binary_data_output=binary_output)
    np.testing.assert_allclose(output(post(server, request)), expected, rtol=1e-4, atol=1e-5)


def test_v2_takes_files(server, faces):
    contents, landmarks = faces
    expected = server.direct("embed_jpeg", image=contents, landmarks=landmarks)["embedding"]
    files, points = np.array(contents, object), tensor("landmarks", landmarks)
    request = v2([tensor("image", files, "BYTES"), points], "embed_jpeg")
    np.testing.assert_allclose(output(post(server, request)), expected, rtol=1e-4, atol=1e-5)
    # JSON has no bytes.
    text = np.array([base64.b64encode(content).decode() for content in contents], object)
    points = tensor("landmarks", landmarks, binary=False)
    named = tensor("image", text, "BYTES", binary=False, content_type="base64")
    found = output(post(server, v2([named, points], "embed_jpeg")))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    plain = tensor("image", text, "BYTES", binary=False)
    assert post(server, v2([plain, points], "embed_jpeg")).status_code == 400


def test_v2_gives_the_outputs_that_are_asked_for(server):
    a, b = crops(2, 1), crops(2, 2)
    expected = server.direct("verify", image_a=a, image_b=b)
    request = v2([tensor("image_a", a), tensor("image_b", b)], "verify")
    body, length = request.to_rest()
    header = json.loads(body[:length]) | {"outputs": [{"name": "probability"}]}
    text = json.dumps(header).encode()
    headers = {
        "inference-header-content-length": str(len(text)),
        "content-type": "application/octet-stream",
    }
    answer = server.http.post(INFER, content=text + body[length:], headers=headers)
    assert [part["name"] for part in answer.json()["outputs"]] == ["probability"]
    np.testing.assert_allclose(
        output(answer, "probability"), expected["probability"], rtol=1e-3, atol=1e-4
    )


IMAGE = {"name": "image", "shape": [1, 28, 24, 3], "datatype": "FP32"}


@pytest.mark.parametrize(
    "body, message",
    [
        ({}, "malformed"),
        ({"inputs": 3}, "malformed"),
        ({"inputs": []}, "the inputs must be image"),
        ({"inputs": [{"name": "image"}]}, "malformed"),
        ({"inputs": [IMAGE | {"data": [1, 2]}]}, "image: the data are not of the shape"),
        ({"inputs": [IMAGE | {"data": [], "shape": [0, 28, 24, 3]}]}, "1 to 8 faces"),
        ({"inputs": [IMAGE | {"data": [0] * 2016, "shape": [-1, 28, 24, 3]}]}, "numbers from 0"),
        ({"inputs": [IMAGE | {"data": [], "shape": [1 << 62, 1 << 62]}]}, "not of the shape"),
        ({"inputs": [IMAGE | {"data": [0] * 2016, "datatype": "INT32"}]}, "FP32 is asked for"),
        ({"inputs": [IMAGE | {"data": [0] * 2016, "datatype": "XYZ"}]}, "FP32 is asked for"),
        ({"inputs": [IMAGE | {"data": ["x"] * 2016}]}, "not of the shape"),
        ({"inputs": [IMAGE | {"data": [0] * 2016}] * 2}, "each once"),
        ({"inputs": [IMAGE | {"data": [0] * 2016, "name": "x"}]}, "the inputs must be image"),
        ({"inputs": [IMAGE | {"data": [0] * 2016}], "outputs": [{"name": "x"}]}, "no output 'x'"),
        ({"inputs": [IMAGE | {"data": [0] * 2016}], "parameters": {"signature_name": "x"}},
         "no signature 'x'"),
    ],
)  # fmt: skip
def test_v2_malformed(server, body, message):
    assert message in server.refused(INFER, json=body)


def test_v2_that_is_no_json(server):
    for content in ("", "{", "[" * 100_000, b"\xff\xfe", "3", "null", '"text"'):
        answer = server.http.post(INFER, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 400 and "\n" not in answer.text


def test_v2_malformed_binary_data(server):
    body, length = v2([tensor("image", crops(1))]).to_rest()
    header = json.loads(body[:length])

    def sent(header, rest=body[length:], stated=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        headers = {"inference-header-content-length": str(len(text) if stated is None else stated)}
        headers["content-type"] = "application/octet-stream"
        return server.refused(INFER, content=text + rest, headers=headers)

    for stated in ("x", -5, 10**9):
        sent(header, stated=stated)
    for text in (b"", b"{", b"[]", b'{"inputs": [1]}', b'{"inputs": [{"name": "image"}]}', b"\xff"):
        sent(text)
    assert "end too early" in sent(header, body[length:-4])
    for size in (-1, 3, "x", None, 1 << 70):
        image = IMAGE | {"parameters": {"binary_data_size": size}}
        sent({"inputs": [image]})
    files = {"name": "image", "shape": [1], "datatype": "BYTES"}
    for content in (b"\1", b"\xff\xff\xff\xff1", b"\4\0\0\0ab"):
        part = files | {"parameters": {"binary_data_size": len(content)}}
        sent({"inputs": [part], "parameters": {"signature_name": "embed_jpeg"}}, content)
    # Nothing says how long the JSON is.
    server.refused(INFER, content=body, headers={"content-type": "application/octet-stream"})


# === gRPC ===


def rpc(server, request):
    answer = server.grpc.ModelInfer(request.to_grpc())
    return InferResponse.from_grpc(answer)


def test_grpc(server, faces):
    expected = server.direct(image=crops(2))["embedding"]
    for binary in (False, True):
        found = rpc(server, v2([tensor("image", crops(2), binary=binary)]))
        np.testing.assert_allclose(found.outputs[0].as_numpy(), expected, rtol=1e-4, atol=1e-5)
        assert found.model_version == "1"
    contents, landmarks = faces
    expected = server.direct("embed_jpeg", image=contents, landmarks=landmarks)["embedding"]
    files = np.array(contents, object)
    inputs = [tensor("image", files, "BYTES"), tensor("landmarks", landmarks)]
    found = rpc(server, v2(inputs, "embed_jpeg")).outputs[0].as_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_grpc_malformed(server):
    def code(request):
        with pytest.raises(grpc.RpcError) as error:
            server.grpc.ModelInfer(request)
        assert "Traceback" not in error.value.details() and "\n" not in error.value.details()
        return error.value.code()

    good = v2([tensor("image", crops(1))]).to_grpc()
    invalid = grpc.StatusCode.INVALID_ARGUMENT

    def changed(change):
        request = pb.ModelInferRequest.FromString(good.SerializeToString())
        change(request)
        return code(request)

    assert changed(lambda r: r.inputs[0].shape.append(2)) == invalid
    assert changed(lambda r: setattr(r.inputs[0], "name", "x")) == invalid
    assert changed(lambda r: setattr(r.inputs[0], "datatype", "INT64")) == invalid
    assert changed(lambda r: setattr(r.inputs[0], "datatype", "XYZ")) == invalid
    assert changed(lambda r: r.inputs.append(r.inputs[0])) == invalid
    assert changed(lambda r: r.raw_input_contents.__setitem__(0, b"123")) == invalid
    assert changed(lambda r: r.raw_input_contents.append(b"")) == invalid
    assert changed(lambda r: r.ClearField("inputs")) == invalid
    assert changed(lambda r: r.outputs.add(name="x")) == invalid
    assert changed(lambda r: setattr(r, "model_name", "x")) == grpc.StatusCode.NOT_FOUND
    many = v2([tensor("image", np.zeros((MAX_FACES + 1, 28, 24, 3), np.float32))])
    assert code(many.to_grpc()) == invalid
    with pytest.raises(grpc.RpcError) as error:
        server.grpc.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="face"))
    assert error.value.code() == invalid
    large = v2([tensor("image", np.zeros((60, 28, 24, 3), np.float32))])
    assert code(large.to_grpc()) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert server.grpc.ServerReady(pb.ServerReadyRequest()).ready


# === Limits, hostile files, many clients ===


def test_oversized(server):
    many = {"instances": np.zeros((MAX_FACES + 1, 28, 24, 3)).astype(int).tolist()}
    assert "1 to 8 faces" in server.refused(PREDICT, json=many)
    large = b'{"instances": [' + b"1," * MAX_BYTES + b"1]}"
    for path in (PREDICT, INFER):
        assert "--max_request_bytes" in server.refused(path, 413, content=large)
        # Of a length that is not stated beforehand.
        parts = (large[i : i + 65536] for i in range(0, len(large), 65536))
        assert "--max_request_bytes" in server.refused(path, 413, content=parts)
    assert len(server.predict(crops(1).tolist())) == 1


def test_models_are_not_unloaded_by_clients(server):
    for what in ("load", "unload"):
        server.refused(f"/v2/repository/models/face/{what}")
    assert server.ready()


def test_hostile_files(server, faces):
    contents, landmarks = faces
    generator, results = np.random.default_rng(0), 0
    points = landmarks[0].tolist()

    def status(content):
        body = {"signature_name": "embed_jpeg"}
        body["instances"] = [{"image": b64(content), "landmarks": points}]
        answer = server.http.post(PREDICT, json=body)
        if answer.status_code == 400:
            error = answer.json()["error"]
            assert error.startswith("The image") and "\n" not in error
        return answer.status_code

    for turn in range(40):
        code = status(mutated(contents[turn % 2], generator))
        assert code in (200, 400)
        results += code == 200
    assert 0 < results < 40
    assert status(b"") == status(b"no image") == 400
    # One of a batch is an error of all.
    body = {"signature_name": "embed_jpeg", "instances": [
        {"image": b64(content), "landmarks": points} for content in (contents[0], b"no image")
    ]}  # fmt: skip
    assert "Image 2 of 2 cannot be used: no JPEG" in server.refused(PREDICT, json=body)


def test_many_clients_get_what_is_theirs(server, faces):
    contents, landmarks = faces
    images = crops(24, seed=5)
    expected = server.direct(image=images)["embedding"]
    files = server.direct("embed_jpeg", image=contents, landmarks=landmarks)["embedding"]

    def ask(i):
        match i % 4:
            case 0:
                return server.predict(images[i : i + 1].tolist())[0], expected[i]
            case 1:
                found = output(post(server, v2([tensor("image", images[i : i + 1])])))
                return found[0], expected[i]
            case 2:
                found = rpc(server, v2([tensor("image", images[i : i + 1])]))
                return found.outputs[0].as_numpy()[0], expected[i]
            case _:
                named = {"image": b64(contents[i % 2]), "landmarks": landmarks[i % 2].tolist()}
                return server.predict([named], "embed_jpeg")[0], files[i % 2]

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        for found, wanted in clients.map(ask, range(24)):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


# === The command ===


def test_what_is_no_saved_model_is_not_served(server):
    for path in (server.log.parent, server.log.parent / "model.keras"):
        with pytest.raises(FileNotFoundError, match="No SavedModel .*: python export.py"):
            FaceModel("face", path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "error: the following arguments are required: --model"),
        (["--model=/nowhere"], "error: No SavedModel /nowhere: python export.py"),
        (["--model=x", "--queue=-1"], "error: --queue must be 0 or more, got -1"),
        (["--model=x", "--deadline=0"], "error: --deadline must be 0.01 or more, got 0"),
        (["--model=x", "--deadline=nan"], "error: --deadline must be 0.01 or more, got nan"),
        (["--model=x", "--max_pixels=0"], "error: --max_pixels must be 1 or more, got 0"),
        (["--model=x", "--workers=2"], "error: --workers: this server is one process"),
    ],
)
def test_bad_command_lines(arguments, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sparseface_tf.serving", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code.startswith(message) and "\n" not in ended.value.code


def test_importing_the_package_does_not_import_kserve():
    code = "import sys, sparseface_tf.serving; sys.exit('kserve' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert serving.FaceModel is FaceModel
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        serving.Other
