"""Fifty kinds of bad input to a server, by V1, V2 and gRPC: each is refused in a plain sentence."""

import base64
import io
import json
import re
import struct
import zipfile
import zlib

import numpy as np
import pytest
import tensorflow as tf
from mutations import KINDS, encoded
from PIL import Image

from pipelines.faces.images import decode
from pipelines.faces.reasons import reason_of

pytest.importorskip("kserve", reason="KServe is not installed: pip install 'sparseface_tf[serve]'")

import grpc  # noqa: E402
from kserve import InferInput, InferRequest  # noqa: E402
from served import Served, write_small_model  # noqa: E402

from sparseface_tf.serving.model import FaceModel  # noqa: E402

MAX_BYTES, MAX_FACES, MAX_PIXELS = 2_000_000, 8, 1_000_000
PREDICT, INFER = "/v1/models/face:predict", "/v2/models/face/infer"
PICTURE = Image.fromarray(
    np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), "RGB"
)
POINTS = [[20, 25], [44, 25], [32, 36], [23, 48], [41, 48]]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = write_small_model(tmp_path_factory.mktemp("refusing"))
    return FaceModel("face", path, max_faces=MAX_FACES, max_pixels=MAX_PIXELS)


@pytest.fixture(scope="module")
def served(model):
    found = Served(model, max_request_bytes=MAX_BYTES)
    yield found
    assert found.stop()
    found.close()


# === Ways to send the same inputs ===


def as_v1(signature, inputs):
    columns = {
        name: [{"b64": base64.b64encode(x).decode()} for x in value]
        if value.dtype == object
        else value.tolist()
        for name, value in inputs.items()
    }
    rows = max(map(len, columns.values()), default=0)
    instances = [
        {name: column[i] for name, column in columns.items() if i < len(column)}
        for i in range(rows)
    ]
    # As Python writes it, with NaN and Infinity.
    return json.dumps({"signature_name": signature, "instances": instances})


def as_v2(signature, inputs):
    tensors = []
    for name, value in inputs.items():
        kinds = {"O": "BYTES", "f": f"FP{8 * value.itemsize}", "i": f"INT{8 * value.itemsize}"}
        tensors.append(InferInput(name, [*value.shape], kinds[value.dtype.kind]))
        tensors[-1].set_data_from_numpy(value)
    return InferRequest("face", tensors, parameters={"signature_name": signature})


def by_v1(served, signature, inputs):
    answer = served.http.post(PREDICT, content=as_v1(signature, inputs))
    return answer.status_code, answer.json().get("error")


def by_v2(served, signature, inputs):
    body, length = as_v2(signature, inputs).to_rest()
    headers = {"content-type": "application/json"}
    if length is not None:
        headers = {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(length),
        }
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = served.http.post(INFER, content=content, headers=headers)
    error = None if answer.status_code == 200 else answer.json().get("error")
    return answer.status_code, error


def by_grpc(served, signature, inputs):
    try:
        served.grpc.ModelInfer(as_v2(signature, inputs).to_grpc())
    except grpc.RpcError as error:
        code = 400 if error.code() == grpc.StatusCode.INVALID_ARGUMENT else error.code()
        return code, error.details()
    return 200, None


WAYS = (by_v1, by_v2, by_grpc)


# === What is sent ===


def files(*contents):
    found = np.empty(len(contents), object)
    found[:] = contents
    return found


def faces(content, landmarks=POINTS, count=1):
    return {
        "image": files(*[content] * count),
        "landmarks": np.array([landmarks] * count, np.float32),
    }


def box(*sides):
    return {
        "image": files(encoded(PICTURE, "PNG")),
        "box": np.array([sides], np.float32),
    }


def huge(width, height):
    """A PNG file whose header claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("face.jpg", b"")
    return content.getvalue()


def saved(picture, kind):
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


def crops(value=0.0, shape=(1, 28, 24, 3), kind=np.float32):
    return {"image": np.full(shape, value, kind)}


GOOD = encoded(PICTURE, "JPEG")
DAMAGED = "The image cannot be used: a {} file that is damaged or cut short"
NAMES = {kind: kind for kind in KINDS} | {
    **{"PROGRESSIVE": "JPEG", "CMYK": "JPEG", "LOSSLESS": "WebP", "WEBP": "WebP"},
    "ANIMATED": "GIF",
}
NO_IMAGE = "The image cannot be used: no JPEG, PNG, BMP, GIF or WebP file"
CASES = {
    **{
        f"{kind}, cut": ("embed_jpeg", faces(content[: len(content) // 2]), DAMAGED.format(NAMES[kind]))
        for kind in KINDS
        for content in [encoded(PICTURE, kind)]
    },
    **{
        f"{kind}, its first bytes": ("embed_jpeg", faces(encoded(PICTURE, kind)[:16]), "The image cannot be used")
        for kind in KINDS
    },
    "no bytes": ("embed_jpeg", faces(b""), "The image cannot be used"),
    "text": ("embed_jpeg", faces(b"This is a text file.\n" * 20), NO_IMAGE),
    "a page": ("embed_jpeg", faces(b"<html><body>[[1]]</body></html>"), NO_IMAGE),
    "a PDF": ("embed_jpeg", faces(b"%PDF-1.7\n" + bytes(99)), NO_IMAGE),
    "an archive": ("embed_jpeg", faces(archive()), NO_IMAGE),
    "a program": ("embed_jpeg", faces(b"\x7fELF" + bytes(99)), NO_IMAGE),
    "TIFF": ("embed_jpeg", faces(saved(PICTURE, "TIFF")), NO_IMAGE),
    "zeros": ("embed_jpeg", faces(bytes(1000)), NO_IMAGE),
    "an image of 8 pixels": ("embed_jpeg", faces(encoded(PICTURE.resize((8, 8)), "PNG")), "less than 16 pixels"),
    "2 million pixels": ("embed_jpeg", faces(huge(2000, 1000)), "2.0 million pixels together.*--max_pixels"),
    "10¹⁸ pixels": ("embed_jpeg", faces(huge(1 << 30, 1 << 30)), "--max_pixels"),
    "many pixels together": ("embed_jpeg", faces(huge(500, 500), count=5), "1.2 million pixels.*--max_pixels"),
    "the second of three": (
        "embed_jpeg",
        {"image": files(GOOD, b"text", GOOD), "landmarks": np.array([POINTS] * 3, np.float32)},
        "Image 2 of 3 cannot be used: no JPEG",
    ),
    "landmarks of the second": (
        "embed_jpeg",
        {"image": files(GOOD, GOOD), "landmarks": np.array([POINTS, [[9, 9]] * 5], np.float32)},
        "Image 2 of 2 cannot be used: landmarks that are all in one point",
    ),
    "landmarks in one point": ("embed_jpeg", faces(GOOD, [[30, 30]] * 5), "landmarks that are all in one point"),
    "landmarks far outside": ("embed_jpeg", faces(GOOD, [[9000 + x, y] for x, y in POINTS]), "far outside"),
    "landmarks below zero": ("embed_jpeg", faces(GOOD, [[x - 9000, y] for x, y in POINTS]), "far outside"),
    "unknown landmarks": ("embed_jpeg", faces(GOOD, [[np.nan] * 2] * 5), "NaN|no JSON"),
    "infinite landmarks": ("embed_jpeg", faces(GOOD, [[np.inf] * 2] * 5), "infinity|no JSON"),
    "four landmarks": ("embed_jpeg", faces(GOOD, POINTS[:4]), "landmarks: of shape 1 x 4 x 2 where faces x 5 x 2"),
    "flat landmarks": ("embed_jpeg", faces(GOOD, np.ravel(POINTS)), "landmarks: of shape 1 x 10 where"),
    "landmarks as integers of 64 bits": (
        "embed_jpeg_box",
        {"image": files(GOOD), "box": np.array([[1 << 40] * 4], np.int64)},
        "larger than its image|FP32 is asked for",
    ),
    "a box of no size": ("embed_jpeg_box", box(10, 10, 0, 0), "a box of no size"),
    "a box of a size below zero": ("embed_jpeg_box", box(10, 10, -20, -20), "a box of no size"),
    "a box beside": ("embed_jpeg_box", box(500, 10, 20, 20), "a box that does not meet its image"),
    "a box before": ("embed_jpeg_box", box(-99, 10, 20, 20), "a box that does not meet its image"),
    "a huge box": ("embed_jpeg_box", box(0, 0, 1e9, 1e9), "a box that is much larger than its image"),
    "a box of NaN": ("embed_jpeg_box", box(np.nan, 0, 9, 9), "NaN|no JSON"),
    "a box of three": ("embed_jpeg_box", box(1, 2, 3), "box: of shape 1 x 3 where faces x 4 is asked for"),
    "pixels from 0 to 255": ("serving_default", crops(255), "image: values from 255 to 255, where crops are normalised"),
    "pixels below -1": ("serving_default", crops(-128), "where crops are normalised to -1 to 1"),
    "pixels to verify": (
        "verify",
        {"image_a": crops()["image"], "image_b": crops(200)["image"]},
        "image_b: values from 200 to 200",
    ),
    "crops of NaN": ("serving_default", crops(np.nan), "NaN|no JSON"),
    "crops of another size": ("serving_default", crops(shape=(1, 56, 48, 3)), "image: of shape 1 x 56 x 48 x 3 where"),
    "grey crops": ("serving_default", crops(shape=(1, 28, 24, 1)), "of shape 1 x 28 x 24 x 1 where"),
    "a crop without faces": ("serving_default", crops(shape=(28, 24, 3)), "of shape 28 x 24 x 3 where"),
    "no crops": ("serving_default", crops(shape=(0, 28, 24, 3)), "1 to 8 faces|list of one or more|valid list"),
    "nine crops": ("serving_default", crops(shape=(9, 28, 24, 3)), "1 to 8 faces"),
    "integers of 8 bits": ("serving_default", crops(100, kind=np.int8), "normalised|FP32 is asked for"),
    "features of another network": (
        "score",
        {"embedding_a": np.ones((1, 9), np.float32), "embedding_b": np.ones((1, 16), np.float32)},
        "embedding_a: of shape 1 x 9 where faces x 16",
    ),
    "another number of places": (
        "embed_jpeg",
        {"image": files(GOOD, GOOD), "landmarks": np.array([POINTS], np.float32)},
        "as many in every input|must have image and landmarks",
    ),
    "no such signature": ("[[embed]]", crops(), "There is no signature"),
    "no landmarks": ("embed_jpeg", {"image": files(GOOD)}, "image and landmarks"),
    "an input too many": ("verify", crops(), "image_a and image_b"),
    "a file where a crop is asked": ("serving_default", {"image": files(GOOD)}, "image: "),
    "a crop where a file is asked": ("embed_jpeg", faces(GOOD) | crops(), "image: "),
}  # fmt: skip


def test_there_are_fifty():
    assert len(CASES) >= 50


def is_plain(text):
    """Whether a text is one sentence, without brackets, paths or what TensorFlow calls its parts."""
    foreign = r"[\[\](){}<>/\\\n]|\b(node|Op|Assert|Decode\w+|\w*ArgumentError|Traceback|__\w+)\b|::"
    return text.endswith(".") and len(text) > 10 and not re.search(foreign, text)


@pytest.mark.parametrize("way", WAYS)
def test_bad_input_is_refused_in_a_sentence(served, way):
    # In one test: the fixture that every test has makes TensorFlow forget what it has compiled.
    wrong = {}
    for name, (signature, inputs, expected) in CASES.items():
        code, error = way(served, signature, inputs)
        if not (code == 400 and re.search(expected, error) and is_plain(error)):
            wrong[name] = code, error
    assert not wrong


def test_good_input_is_answered(served):
    for signature, inputs in (
        ("serving_default", crops(0.5)),
        ("embed_jpeg", faces(GOOD)),
        ("embed_jpeg_box", box(10, 10, 40, 40)),
        ("score", {f"embedding_{x}": np.ones((1, 16), np.float32) for x in "ab"}),
    ):
        for way in WAYS:
            assert way(served, signature, inputs) == (200, None)


def test_malformed_json_is_refused_in_a_sentence(served):
    json_only = {"content-type": "application/json"}
    for body in (
        *("", "{", "[1,", "\xff", '"text"', "[[[[]]]]", '{"a": "b"}', '{"instances": [NaN]}'),
        *('{"instances": [1], "x[]": 2}', '{"instances": [[[1, 2], [3]]]}'),
        *('{"instances": [{"b64": "A"}]}', '{"inputs": [{"name": "[", "shape": [], "data": {}}]}'),
    ):
        for path in (PREDICT, INFER):
            answer = served.http.post(path, content=body, headers=json_only)
            assert answer.status_code == 400 and is_plain(answer.json()["error"]), answer.text


# === Base64, sizes ===


def predicted(served, text):
    body = {"signature_name": "embed_jpeg", "instances": [{"image": {"b64": text}}]}
    body["instances"][0]["landmarks"] = POINTS
    return served.http.post(PREDICT, json=body)


def test_base64_may_have_line_breaks(served):
    expected = predicted(served, base64.b64encode(GOOD).decode()).json()
    for ends in ("\n", "\r\n"):
        text = base64.encodebytes(GOOD).decode().replace("\n", ends)
        assert ends in text
        assert predicted(served, text).json() == expected
    text = np.array([base64.encodebytes(GOOD).decode()], object)
    image = InferInput("image", [1], "BYTES", parameters={"content_type": "base64"})
    image.set_data_from_numpy(text, binary_data=False)
    points = InferInput("landmarks", [1, 5, 2], "FP32")
    points.set_data_from_numpy(np.array([POINTS], np.float32), binary_data=False)
    request = InferRequest("face", [image, points], parameters={"signature_name": "embed_jpeg"})
    answer = served.http.post(INFER, json=request.to_rest()[0])
    np.testing.assert_allclose(answer.json()["outputs"][0]["data"], expected["predictions"][0])
    assert predicted(served, "AA=A").status_code == 400


def test_a_request_over_the_limit_names_its_flag(served):
    large = b"1" * (MAX_BYTES + 1)
    for content in (large, (large[i : i + 65536] for i in range(0, len(large), 65536))):
        answer = served.http.post(PREDICT, content=content)
        assert answer.status_code == 413
        error = answer.json()["error"]
        assert error == "The request has more than 2,000,000 bytes, the server's --max_request_bytes."


def test_what_graphs_and_eager_code_state():
    """The errors of assertions and decoders, wherever they are raised."""
    graph = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])
    for content in (b"text", b"", GOOD[:99], encoded(PICTURE, "GIF")[:60], huge(1 << 20, 1 << 20)):
        reasons = set()
        for read in (decode, graph):
            with pytest.raises(tf.errors.OpError) as error:
                read(tf.constant(content))
            reasons.add(reason_of(error.value))
        (reason,) = reasons
        assert is_plain(reason + ".")
