import subprocess
import time
from concurrent import futures

import grpc
import pytest

from features.errors import DataError
from serving.client.connection import Connection, EndpointError, Retries, Tls
from serving.client.protos import message_class, rpc

FAST = Retries(attempts=5, first_seconds=0.001, longest_seconds=0.01)
PATH, REQUEST, RESPONSE = rpc("PredictionService", "Predict")


class Flaky(grpc.GenericRpcHandler):
    """Fails with the given codes, one a call, then answers."""

    def __init__(self):
        self.codes, self.calls, self.delay = [], 0, 0.0

    def service(self, details):
        if details.method != PATH:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.answer,
            request_deserializer=REQUEST.FromString,
            response_serializer=RESPONSE.SerializeToString,
        )

    def answer(self, request, context):
        self.calls += 1
        time.sleep(self.delay)
        if self.codes:
            context.abort(self.codes.pop(0), "not\nnow")
        answer = RESPONSE()
        answer.model_spec.name = request.model_spec.name
        return answer


@pytest.fixture
def serve():
    servers = []

    def start(handler, credentials=None):
        server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[handler])
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        servers.append(server)
        return f"localhost:{port}"

    yield start
    for server in servers:
        server.stop(0).wait()


def ask(target, timeout=20.0, retries=FAST, tls=None):
    connection = Connection(target, timeout, retries, tls, 1 << 20)
    request = REQUEST()
    request.model_spec.name = "clicks"
    try:
        deadline = connection.deadline(None)
        return connection.call("PredictionService", "Predict", request, deadline).model_spec.name
    finally:
        connection.close()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_what_passes_is_tried_again(serve, code):
    handler = Flaky()
    handler.codes = [code] * 4
    assert ask(serve(handler)) == "clicks"
    assert handler.calls == 5


def test_attempts_are_bounded(serve):
    handler = Flaky()
    handler.codes = [grpc.StatusCode.UNAVAILABLE] * 9
    target = serve(handler)
    with pytest.raises(EndpointError, match=r"UNAVAILABLE, 5 attempts: not now\. Check") as caught:
        ask(target)
    assert (caught.value.code, handler.calls) == ("UNAVAILABLE", 5)


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_what_stays_wrong_is_not_tried_again(serve, code):
    handler = Flaky()
    handler.codes = [grpc.StatusCode[code]]
    with pytest.raises(EndpointError, match=f"failed with {code}: not now") as caught:
        ask(serve(handler))
    assert (caught.value.code, handler.calls) == (code, 1)
    assert "\n" not in str(caught.value)


def test_retries_end_with_the_deadline(serve):
    handler = Flaky()
    handler.codes = [grpc.StatusCode.UNAVAILABLE] * 100
    patient = Retries(attempts=100, first_seconds=4.0, longest_seconds=4.0)
    # A wait beyond the deadline would end as DEADLINE_EXCEEDED, and late.
    with pytest.raises(EndpointError, match="UNAVAILABLE"):
        ask(serve(handler), timeout=0.5, retries=patient)


def test_an_answer_that_is_late_is_an_error(serve):
    handler = Flaky()
    handler.delay = 1.0
    with pytest.raises(EndpointError, match=r"DEADLINE_EXCEEDED.*Give it more time"):
        ask(serve(handler), timeout=0.2)


def test_a_server_that_is_not_there_is_one_sentence():
    with pytest.raises(EndpointError, match=r"^Predict of localhost:1 failed with UNAVAILABLE"):
        ask("localhost:1", timeout=2.0)


def test_waits_double_up_to_a_bound_and_are_drawn():
    retries = Retries(first_seconds=0.5, longest_seconds=3.0)
    for attempt, bound in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (5000, 3.0)):
        waits = [retries.wait(attempt) for _ in range(200)]
        assert 0.0 <= min(waits) < 0.2 * bound
        assert 0.8 * bound < max(waits) <= bound


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf")])
def test_timeouts_are_seconds(timeout):
    with pytest.raises(DataError, match="number of seconds above 0"):
        ask("localhost:1", timeout=timeout)


def test_a_closed_connection_says_so():
    connection = Connection("localhost:1", 5.0, FAST, None, 1 << 20)
    deadline = connection.deadline(None)
    connection.close()
    with pytest.raises(EndpointError, match="closed"):
        connection.call("PredictionService", "Predict", REQUEST(), deadline)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl makes the certificate, and is not here")
    return cert, key


def test_tls_is_spoken_with_a_certificate_that_is_known(serve, certificate):
    cert, key = certificate
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
    target = serve(Flaky(), credentials)
    assert ask(target, tls=Tls(cert)) == "clicks"
    with pytest.raises(EndpointError, match="UNAVAILABLE"):
        ask(target, timeout=2.0, retries=Retries(1))


def test_a_server_may_ask_for_the_certificate_of_the_client(serve, certificate):
    cert, key = certificate
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), cert.read_bytes())], cert.read_bytes(), require_client_auth=True
    )
    target = serve(Flaky(), credentials)
    assert ask(target, tls=Tls(cert, cert, key)) == "clicks"
    with pytest.raises(EndpointError, match="UNAVAILABLE"):
        ask(target, timeout=2.0, retries=Retries(1), tls=Tls(cert))


def test_certificates_that_cannot_be_used_are_refused(certificate, tmp_path):
    with pytest.raises(DataError, match="belong together"):
        Tls(cert=certificate[0]).credentials()
    with pytest.raises(DataError, match=r"none.pem cannot be read: .*Give a file in PEM"):
        Tls(tmp_path / "none.pem").credentials()


def test_the_message_classes_are_those_of_the_requests():
    assert message_class("tensorflow.serving.PredictRequest") is REQUEST
