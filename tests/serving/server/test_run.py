"""Start and end of a server: ports, certificates, signals."""

import http.client
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_management_pb2

from features.errors import ConfigError
from serving.exporting.fresh_process import ROOT, environment
from serving.server.options import ServerOptions
from serving.server.run import Server, serve
from tests.serving.server import toy
from tests.serving.server.conftest import GrpcClient, RestClient
from tests.serving.server.rpc.test_grpc_api import code_and_text, outputs_of, predict_request


@pytest.fixture(scope="module")
def toy_path(tmp_path_factory):
    """The folder of the versions of a small model."""
    base = tmp_path_factory.mktemp("toy")
    toy.save(base / "1", bias=1.0)
    return base


@pytest.fixture
def options(toy_path):
    return ServerOptions(toy_path, name="toy", grpc_port=0, rest_port=0, grace_seconds=20)


REQUEST = predict_request("raw_tensors", toy.request(3), name="toy")
EXPECTED = toy.answer(toy.request(3), 1.0)

# Cancelled is what comes in the moment in which gRPC closes the port.
REFUSED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def predict(client: GrpcClient, **kwargs) -> np.ndarray:
    return outputs_of(client.prediction.Predict(REQUEST, **kwargs))["prob"]


class Held:
    """Makes the runs of a server's models wait."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch):
        self.began, self.go_on = threading.Semaphore(0), threading.Event()
        run = server.manager.run

        def wait(*args, **kwargs):
            self.began.release()
            assert self.go_on.wait(60)
            return run(*args, **kwargs)

        monkeypatch.setattr(server.manager, "run", wait)

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_) -> None:
        self.go_on.set()


def test_requests_that_run_are_answered_and_new_ones_refused(options, monkeypatch):
    body = b'{"signature_name": "total", "inputs": [1, 2]}'
    options = replace(options, grace_seconds=60)
    with Server(options) as server, ThreadPoolExecutor(3) as pool:
        client, rest = GrpcClient(f"127.0.0.1:{server.grpc_port}"), RestClient(server.rest_port)
        stub = health_pb2_grpc.HealthStub(client.channel)
        watched = stub.Watch(health_pb2.HealthCheckRequest())
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        with Held(server, monkeypatch) as held:
            answers = [
                pool.submit(predict, client),
                pool.submit(rest.raw, "POST", "/v1/models/toy:predict", body),
            ]
            for _ in answers:
                assert held.began.acquire(timeout=60)
            stopped = pool.submit(server.stop)
            assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert not server.ready
            late = GrpcClient(f"127.0.0.1:{server.grpc_port}")
            code = None
            while code not in REFUSED:  # what came just before is taken, and waits as the others
                code, _ = code_and_text(predict, late, timeout=1)
            assert not stopped.done()
        np.testing.assert_allclose(answers[0].result(60), EXPECTED)
        assert answers[1].result(60) == (200, b'{"outputs": 4.0}')
        stopped.result(30)  # not the grace period, though a client still watches
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.rest_port), timeout=5)


def test_more_requests_than_the_limit_are_refused_at_once(options, monkeypatch):
    body = b'{"signature_name": "total", "inputs": [1, 2]}'
    with Server(replace(options, max_concurrency=2)) as server, ThreadPoolExecutor(2) as pool:
        clients = [RestClient(server.rest_port) for _ in range(3)]
        post = lambda client: client.raw("POST", "/v1/models/toy:predict", body)
        with Held(server, monkeypatch) as held:
            answers = [pool.submit(post, client) for client in clients[:2]]
            for _ in answers:
                assert held.began.acquire(timeout=60)
            status, data = post(clients[2])
            assert status == 429
            assert b"raise --max-concurrency" in data
        assert [each.result(60)[0] for each in answers] == [200, 200]
        assert post(clients[2])[0] == 200


def test_a_model_is_not_asked_after_the_deadline(options, monkeypatch):
    with Server(options) as server, ThreadPoolExecutor(8) as pool:
        client = GrpcClient(f"127.0.0.1:{server.grpc_port}")
        predict(client)
        with Held(server, monkeypatch) as held:
            running = []
            while True:  # until every thread of the server waits
                running.append(pool.submit(predict, client))
                if not held.began.acquire(timeout=1):
                    break
            code, _ = code_and_text(predict, client, timeout=0.2)
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        for each in running:
            np.testing.assert_allclose(each.result(60), EXPECTED)
        time.sleep(0.1)
        asked = sum(1 for _ in iter(lambda: held.began.acquire(blocking=False), False))
        assert asked == 1  # the one that found no thread: not the one whose client had gone


def test_a_bug_in_the_server_is_told_shortly(options, monkeypatch, caplog):
    with Server(options) as server:
        monkeypatch.setattr(server.manager, "run", lambda *_: 1 / 0)
        client, rest = GrpcClient(f"127.0.0.1:{server.grpc_port}"), RestClient(server.rest_port)
        code, text = code_and_text(predict, client)
        assert code is grpc.StatusCode.INTERNAL
        assert text == "Predict: the server failed. The reason is in its log."
        status, found = rest.post(
            "/v1/models/toy:predict", {"signature_name": "total", "inputs": [1]}
        )
        assert (status, found) == (500, {"error": text})
        assert "ZeroDivisionError" in caplog.text
        monkeypatch.undo()
        np.testing.assert_allclose(predict(client), EXPECTED)


def test_a_reload_changes_the_models(options, toy_path):
    with Server(replace(options, allow_reload=True)) as server:
        client = GrpcClient(f"127.0.0.1:{server.grpc_port}")
        request = model_management_pb2.ReloadConfigRequest()
        listed = request.config.model_config_list.config
        added = listed.add(name="renamed", base_path=str(toy_path), model_platform="tensorflow")
        added.version_labels["stable"] = 1
        client.model.HandleReloadConfigRequest(request)
        assert code_and_text(predict, client)[0] is grpc.StatusCode.NOT_FOUND
        again = predict_request("raw_tensors", toy.request(3), name="renamed", label="stable")
        np.testing.assert_allclose(outputs_of(client.prediction.Predict(again))["prob"], EXPECTED)
        added.name = "a/b"
        code, text = code_and_text(client.model.HandleReloadConfigRequest, request)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "a model is called 'a/b'" in text
        added.name = "renamed"
        for elsewhere in (toy_path.parent, toy_path / ".." / "other", "/etc"):
            added.base_path = str(elsewhere)
            code, text = code_and_text(client.model.HandleReloadConfigRequest, request)
            assert code is grpc.StatusCode.PERMISSION_DENIED
            assert "which the server was not started with" in text
        np.testing.assert_allclose(outputs_of(client.prediction.Predict(again))["prob"], EXPECTED)


def test_a_port_that_is_taken_is_named(options, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag in ("grpc_port", "rest_port"):
            name = f"--{flag.replace('_', '-')}"
            with (
                pytest.raises(ConfigError, match=rf"127.0.0.1:{port} \({name}\).*another port"),
                Server(replace(options, **{flag: port})),
            ):
                pass


def test_an_address_of_another_machine_is_refused(options):
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        Server(replace(options, host="192.0.2.1")).start()


def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(options, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"garbage")
    with pytest.raises(ConfigError, match=r"no model can be served\. toy: version 1: "):
        Server(replace(options, path=tmp_path)).start()


def certificate(folder, name, issuer=None):
    """A certificate for 127.0.0.1 and its key, signed by itself or by `issuer`."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", f"/CN={name}", "-keyout", key, "-out", cert]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl")
@pytest.mark.parametrize("of_clients", [False, True], ids=["server", "clients too"])
def test_tls_on_both_ports(options, tmp_path, of_clients):
    cert, key = certificate(tmp_path, "server")
    client_cert, client_key = certificate(tmp_path, "client")
    options = replace(options, tls_cert=cert, tls_key=key)
    if of_clients:
        options = replace(options, tls_client_ca=client_cert)
    pair = (client_key.read_bytes(), client_cert.read_bytes()) if of_clients else ()
    with Server(options) as server:
        address = f"127.0.0.1:{server.grpc_port}"
        trusting = grpc.ssl_channel_credentials(cert.read_bytes(), *pair)
        np.testing.assert_allclose(predict(GrpcClient(address, trusting), timeout=60), EXPECTED)
        context = ssl.create_default_context(cafile=cert)
        if of_clients:
            context.load_cert_chain(client_cert, client_key)
        secure = http.client.HTTPSConnection("127.0.0.1", server.rest_port, context=context)
        assert RestClient(0, secure).get("/v1/models/toy")[0] == 200
        code, _ = code_and_text(predict, GrpcClient(address), timeout=20)  # no TLS
        assert code is grpc.StatusCode.UNAVAILABLE
        with pytest.raises((OSError, http.client.HTTPException)):
            RestClient(server.rest_port).get("/v1/models/toy")
        if of_clients:
            stranger = GrpcClient(address, grpc.ssl_channel_credentials(cert.read_bytes()))
            assert code_and_text(predict, stranger, timeout=20)[0] is grpc.StatusCode.UNAVAILABLE
            unknown = ssl.create_default_context(cafile=cert)
            refused = http.client.HTTPSConnection("127.0.0.1", server.rest_port, context=unknown)
            with pytest.raises(OSError):
                RestClient(0, refused).get("/v1/models/toy")


def test_a_signal_ends_the_process_with_0(toy_path):
    command = [sys.executable, "-m", "pipeline", "serve", str(toy_path), "--name", "toy"]
    process = subprocess.Popen(
        [*command, "--grpc-port", "0", "--rest-port", "0"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0].split() == ["model", "toy,", "version", "1"]
        port = int(re.search(r"http://127.0.0.1:(\d+)/", lines[2])[1])
        assert RestClient(port).raw("GET", "/readyz")[0] == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "SIGTERM: finishing what runs" in errors
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.communicate()


def test_an_interrupt_ends_it_too_and_the_handlers_are_put_back(options):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen = []

    def announce(server):
        seen.append(RestClient(server.rest_port).raw("GET", "/readyz"))
        signal.raise_signal(signal.SIGINT)

    serve(options, announce)
    assert seen == [(200, b"ok\n")]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_server_that_others_reach_warns_without_tls(options, caplog):
    with pytest.raises(ConfigError, match="cannot listen"):
        serve(replace(options, host="192.0.2.1"), print)
    assert "192.0.2.1 is reached by other machines, and nothing is encrypted" in caplog.text
