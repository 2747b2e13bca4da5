"""A server under more requests than it computes: its queue, its deadlines, its state, its end."""

import asyncio
import concurrent.futures
import contextlib
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("kserve", reason="KServe is not installed: pip install 'sparseface_tf[serve]'")

import grpc  # noqa: E402
from kserve import InferInput, InferRequest  # noqa: E402
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb  # noqa: E402
from served import CROP, Served, free_ports, write_small_model  # noqa: E402

from sparseface_tf.serving.model import FaceModel  # noqa: E402
from sparseface_tf.serving.server import FaceServer, is_loopback  # noqa: E402

PREDICT = "/v1/models/face:predict"
BODY = {"instances": np.zeros((1, 28, 24, 3)).tolist()}


class GatedModel(FaceModel):
    """A model whose computations wait until a gate is opened; it counts them."""

    gate, begun = threading.Event(), 0

    def _computed(self, name, values):
        if self.ready:  # not when it warms up
            self.begun += 1
            assert self.gate.wait(60)
        return super()._computed(name, values)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return GatedModel("face", write_small_model(tmp_path_factory.mktemp("loaded")), threads=1)


@contextlib.contextmanager
def serving(model, **settings):
    """A server that computes one request at a time, while its gate is open."""
    model.gate, model.begun = threading.Event(), 0
    served = Served(model, max_request_bytes=100_000, running=1, **settings)
    try:
        yield served
    finally:
        model.gate.set()
        assert served.stop()
        served.close()


def until(condition):
    end = time.time() + 30
    while not condition():
        assert time.time() < end
        time.sleep(0.01)


def v2():
    image = InferInput("image", [1, *CROP], "FP32")
    image.set_data_from_numpy(np.zeros((1, *CROP), np.float32))
    return InferRequest("face", [image]).to_grpc()


def failed(served):
    with pytest.raises(grpc.RpcError) as error:
        served.grpc.ModelInfer(v2())
    return error.value


def metric(served, name):
    (line,) = [x for x in served.http.get("/metrics").text.splitlines() if x.startswith(name + " ")]
    return float(line.rpartition(" ")[2])


def test_what_does_not_fit_in_the_queue_is_told_to_try_again(model):
    with serving(model, waiting=2) as served, concurrent.futures.ThreadPoolExecutor(3) as clients:
        full = 'requests_refused_total{reason="full"}'
        taken = [clients.submit(served.http.post, PREDICT, json=BODY) for _ in range(3)]
        until(lambda: served.server.admission.admitted == 3)
        before = metric(served, full) if full in served.http.get("/metrics").text else 0
        assert metric(served, "requests_admitted") == 3
        answer = served.http.post(PREDICT, json=BODY)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert answer.json()["error"].startswith("The server has 3 requests already")
        error = failed(served)
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "3 requests" in error.details()
        assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        assert metric(served, full) == before + 2
        # Its state is told all the while, and it computes one at a time.
        assert served.http.get("/v2/health/ready").status_code == 200
        assert served.grpc.ServerReady(pb.ServerReadyRequest()).ready
        assert served.model.begun == 1
        served.model.gate.set()
        assert [answer.result().status_code for answer in taken] == [200] * 3
        assert served.http.post(PREDICT, json=BODY).status_code == 200
        assert metric(served, "requests_admitted") == 0


def test_what_takes_too_long_is_told_so_and_not_computed(model):
    with serving(model, waiting=8, deadline=0.3) as served:
        with concurrent.futures.ThreadPoolExecutor(3) as clients:
            taken = [clients.submit(served.http.post, PREDICT, json=BODY) for _ in range(2)]
            call = clients.submit(failed, served)
            answers = [answer.result() for answer in taken]
            assert {answer.status_code for answer in answers} == {504}
            assert "within 0.3 seconds" in answers[0].json()["error"]
            assert call.result().code() == grpc.StatusCode.DEADLINE_EXCEEDED
        # One was begun, and goes on. What waited is forgotten.
        assert served.server.admission.admitted == 0
        served.model.gate.set()
        until(lambda: served.model.longest() == 0)
        assert served.model.begun == 1
        assert served.http.post(PREDICT, json=BODY).status_code == 200


def test_a_request_that_does_not_arrive_gives_its_place_back(model):
    with serving(model, waiting=0, deadline=0.3) as served:
        served.model.gate.set()
        with socket.create_connection(("127.0.0.1", served.port)) as slow:
            slow.sendall(f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{".encode())
            until(lambda: served.server.admission.admitted == 1)
            assert served.http.post(PREDICT, json=BODY).status_code == 503
            assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", served.port)) as gone:
            gone.sendall(f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{".encode())
            until(lambda: served.server.admission.admitted == 1)
        until(lambda: served.server.admission.admitted == 0)
        assert served.http.post(PREDICT, json=BODY).status_code == 200


def test_a_stop_answers_what_was_taken_and_takes_no_more(model):
    with serving(model, waiting=8) as served, concurrent.futures.ThreadPoolExecutor(8) as clients:
        taken = [clients.submit(served.http.post, PREDICT, json=BODY) for _ in range(3)]
        calls = [clients.submit(served.grpc.ModelInfer, v2()) for _ in range(3)]
        until(lambda: served.server.admission.admitted == 6)
        served.call(served.server.admission.stop)  # the moment when a signal comes
        answer = served.http.get("/v2/health/ready")
        assert answer.status_code == 503 and "not ready" in answer.json()["error"]
        assert not served.grpc.ServerReady(pb.ServerReadyRequest()).ready
        assert served.http.get("/v2/health/live").json() == {"live": True}
        answer = served.http.post(PREDICT, json=BODY)
        assert answer.status_code == 503 and answer.json()["error"] == "The server is stopping."
        assert failed(served).code() == grpc.StatusCode.UNAVAILABLE
        ended = clients.submit(served.stop)
        until(lambda: not listens(served.port))
        served.model.gate.set()
        assert [answer.result().status_code for answer in taken] == [200] * 3
        assert all(len(call.result().outputs) == 1 for call in calls)
        assert ended.result()


def listens(port, host="127.0.0.1"):
    with socket.socket() as one:
        return one.connect_ex((host, port)) == 0


def test_state_and_metrics(model):
    with serving(model) as served:
        served.model.gate.set()
        before = served.http.get("/metrics").text
        count = 'request_predict_seconds_count{model_name="face"}'
        known = metric(served, count) if count in before else 0
        assert served.http.post(PREDICT, json=BODY).status_code == 200
        assert metric(served, count) == known + 1
        for name in ("preprocess", "postprocess"):
            assert f"request_{name}_seconds_bucket" in served.http.get("/metrics").text
        # A model that is not loaded, and a computation that does not end.
        served.model.ready = False
        assert served.http.get("/v2/health/ready").status_code == 503
        assert served.http.get("/v2/models/face/ready").status_code == 503
        served.model.ready = True
        served.model._begun[0] = time.monotonic() - 1e4
        assert served.http.get("/v2/health/live").status_code == 503
        assert not served.grpc.ServerLive(pb.ServerLiveRequest()).live
        del served.model._begun[0]
        assert served.http.get("/v2/health/live").status_code == 200
        # Of the addresses of this machine it listens on one.
        assert listens(served.port) and not listens(served.port, "127.0.0.2")


def test_what_the_server_is_to_blame_for(model, monkeypatch):
    """No memory is no fault of the client; what failed is told to the log, not to clients."""
    with serving(model) as served:
        errors = [tf.errors.ResourceExhaustedError(None, None, "OOM [[node]]"), KeyError("/secret")]

        def fail(name, values):
            raise errors[0]

        monkeypatch.setattr(model, "_computed", fail)
        answer = served.http.post(PREDICT, json=BODY)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert answer.json()["error"].startswith("There is not enough memory")
        assert failed(served).code() == grpc.StatusCode.UNAVAILABLE
        del errors[0]
        answer = served.http.post(PREDICT, json=BODY)
        assert answer.status_code == 500 and "secret" not in answer.text
        error = failed(served)
        assert error.code() == grpc.StatusCode.INTERNAL and "secret" not in error.details()


@pytest.mark.parametrize("flag", ["http_port", "grpc_port"])
def test_a_port_that_is_taken_is_said_in_one_line(model, flag):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (free,) = free_ports(1)
        ports = {"http_port": free, "grpc_port": free, flag: taken.getsockname()[1]}
        with pytest.raises(OSError, match=f"is not to be had.*--{flag}"):
            asyncio.run(FaceServer(1000, **ports).serve([model]))


def test_another_address_comes_with_a_warning(monkeypatch, caplog):
    async def served(self, models):
        pass

    monkeypatch.setattr(FaceServer, "serve", served)
    monkeypatch.setattr(FaceServer, "register_signal_handler", lambda self: None)
    for host, warned in (("127.0.0.1", False), ("0.0.0.0", True)):
        caplog.clear()
        FaceServer(1000, host=host).start([])
        assert ("no password" in caplog.text) == warned


@pytest.mark.parametrize(
    "host, inside",
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.1.2.3", False)],
)
def test_addresses_that_others_reach_are_known(host, inside):
    assert is_loopback(host) == inside
