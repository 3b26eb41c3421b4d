import base64
import gzip
import http.client
import json
import socket

import numpy as np
import pytest
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.scoring.signature_inputs import encode_examples
from tests.serving.conftest import raw_rows
from tests.serving.server.conftest import MODEL, as_json

BASE = f"/v1/models/{MODEL}"


def b64(examples):
    return [{"b64": base64.b64encode(each).decode()} for each in examples]


def test_rows_and_columns_answer_as_the_export(rest, tensors, eager):
    columns = {name: as_json(array) for name, array in tensors.items()}
    expected = eager("raw_tensors", **tensors)["prob"]
    instances = [
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ]
    for key, value, answer in (
        ("instances", instances, "predictions"),
        ("inputs", columns, "outputs"),
    ):
        status, found = rest.predict({"signature_name": "raw_tensors", key: value})
        assert (status, list(found)) == (200, [answer])
        np.testing.assert_allclose(found[answer], expected, atol=1e-6)


@pytest.mark.parametrize("path", [BASE, f"{BASE}/versions/1"])
def test_examples_are_scored_bare_and_named(rest, examples, eager, path):
    expected = eager("serving_default", examples=examples)["prob"]
    encoded = b64(examples)
    for body in (
        {"instances": encoded},
        {"instances": [{"examples": each} for each in encoded]},
        {"inputs": encoded},
        {"inputs": {"examples": encoded}, "signature_name": "serving_default"},
    ):
        status, found = rest.predict(body, f"{path}:predict")
        assert status == 200
        np.testing.assert_allclose(next(iter(found.values())), expected, atol=1e-6)


def test_several_outputs_have_names(rest, examples, eager):
    expected = eager("branches", examples=examples)
    body = {"signature_name": "branches"}
    _, rows = rest.predict({**body, "instances": b64(examples)})
    _, columns = rest.predict({**body, "inputs": b64(examples)})
    for name, array in expected.items():
        np.testing.assert_allclose([row[name] for row in rows["predictions"]], array, atol=1e-6)
        np.testing.assert_allclose(columns["outputs"][name], array, atol=1e-6)


def test_no_rows_are_no_answers_in_columns(rest):
    assert rest.predict({"inputs": {"examples": []}}) == (200, {"outputs": []})


def test_a_missing_number_is_nan_and_infinity_is_a_number(rest, tensors, eager):
    inputs = {name: array[:3].copy() for name, array in tensors.items()}
    inputs["price"][:] = [np.nan, np.inf, 1]
    columns = {name: as_json(array) for name, array in inputs.items()}
    status, found = rest.predict({"signature_name": "raw_tensors", "inputs": columns})
    expected = eager("raw_tensors", **inputs)["prob"]
    if np.isfinite(expected).all():
        assert status == 200
        np.testing.assert_allclose(found["outputs"], expected, atol=1e-6)
    else:  # the score of an infinite number is none
        assert status == 400
        assert "row 1 (from 0): 'prob' is not a number" in found["error"]


ROW = {"item": "i2", "price": 0.1, "tags": ["a", "b"]}


def test_classify_and_regress_take_objects(rest, bundle, eager):
    rows = [ROW, {"item": "i3", "user_id:token": "u1"}]
    examples = np.array(encode_examples(raw_rows(rows), bundle.metadata.features))
    expected = eager("serving_default", examples=examples)["prob"]
    status, found = rest.post(f"{BASE}:regress", {"signature_name": "regress", "examples": rows})
    assert status == 200
    np.testing.assert_allclose(found["results"], expected, atol=1e-6)
    status, found = rest.post(f"{BASE}:classify", {"signature_name": "classify", "examples": rows})
    assert status == 200
    assert [[label for label, _ in row] for row in found["results"]] == [["0", "1"]] * 2
    np.testing.assert_allclose([row[1][1] for row in found["results"]], expected, atol=1e-6)
    shared = {"signature_name": "regress", "context": {"item": "i2"}}
    shared["examples"] = [{"price": 0.1, "tags": ["a", "b"]}]
    status, found = rest.post(f"{BASE}:regress", shared)
    np.testing.assert_allclose(found["results"], expected[:1], atol=1e-6)


@pytest.mark.parametrize("path", [BASE, f"{BASE}/versions/1"])
def test_status(rest, path):
    status = {"error_code": "OK", "error_message": ""}
    expected = {"version": "1", "state": "AVAILABLE", "status": status}
    assert rest.get(path) == (200, {"model_version_status": [expected]})


def test_metadata_is_what_the_savedmodel_says(rest, server):
    status, found = rest.get(f"{BASE}/metadata")
    assert status == 200
    assert found["model_spec"]["name"] == MODEL
    assert found["model_spec"]["version"] == "1"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    json_format.ParseDict(found["metadata"]["signature_def"], signatures)
    with server.manager.use(MODEL) as model:
        assert dict(signatures.signature_def) == model.meta_graph


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/v1/models/clikcs", 404, "Did you mean clicks?"),
        ("POST", "/v1/models/clikcs:predict", 404, "Did you mean clicks?"),
        ("POST", f"{BASE}/versions/9:predict", 404, "no version 9 loaded. Loaded: 1"),
        ("GET", f"{BASE}/versions/9", 404, "no version 9"),
        ("POST", f"{BASE}/versions/one:predict", 400, "'one' is not a number of a version"),
        ("POST", f"{BASE}/versions/{10**30}:predict", 400, "is not a number of a version"),
        ("POST", f"{BASE}/labels/canary:predict", 404, "no version labelled 'canary'"),
        ("POST", f"{BASE}:predct", 404, "Did you mean predict?"),
        ("GET", f"{BASE}:predict", 405, "expected POST"),
        ("POST", BASE, 405, "expected GET"),
        ("GET", "/v1/models", 404, "Expected /v1/models/NAME"),
        ("GET", "/nowhere", 404, "there is nothing at '/nowhere'"),
        ("GET", "/page/nowhere.js", 404, "there is nothing at '/page/nowhere.js'"),
        ("POST", "/", 405, "expected GET, HEAD"),
        ("GET", "/v1/models/../../etc/passwd", 404, "Expected /v1/models/NAME"),
        ("GET", "/v1/models/%2e%2e%2f%2e%2e%2fetc", 404, "Expected /v1/models/NAME"),
        ("GET", "/v1/models/%FF%00", 404, "no model"),
    ],
)
def test_a_wrong_path_is_told_what_exists(rest, method, path, status, sentence):
    body = b'{"instances": [1]}' if method == "POST" else None
    found, data = rest.raw(method, path, body)
    assert found == status
    assert sentence in json.loads(data)["error"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"signature_name": "rnak"}, "Did you mean rank?"),
        ({"signature_name": 3}, '"signature_name" must be a string'),
        ({"inputs": {"price": None}}, "is missing input 'price'"),
        ({"inputs": {"price": ["1"]}}, "'price' (float32, shape (batch,)): found '1'"),
        ({"inputs": {"price": [[1.0]]}}, "'price'"),
        ({"inputs": {"price": [None]}}, "'price'"),
        ({"inputs": {"price": [1.0, 2.0]}}, "'price' has 2 rows"),
        ({"inputs": {"time": [float("nan")]}}, "'time'"),
        ({"inputs": {"item": [5]}}, "'item'"),
        ({"inputs": {"picture": [[1.0]]}}, "'picture'"),
        ({"inputs": {"tags": ["a"]}}, "'tags'"),
    ],
)
def test_a_wrong_body_is_told_which_feature(rest, tensors, change, sentence):
    columns = {name: as_json(array[:1]) for name, array in tensors.items()}
    columns |= change.pop("inputs", {})
    columns = {name: value for name, value in columns.items() if value is not None}
    status, found = rest.predict({"signature_name": "raw_tensors", "inputs": columns, **change})
    assert status == 400
    assert sentence in found["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"\x00\xff", "not UTF-8"),
        (b"{}", "neither"),
        (b'{"instances": [], "instances": []}', "the key 'instances' twice"),
        (b'{"instances": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "nested too deeply"),
        (b'{"instances": ' + b"[" * 500 + b"]" * 500 + b"}", "'examples'"),
        (b'{"instances": ["not an example"]}', "Could not parse example"),
    ],
    ids=range(7),
)
def test_a_body_of_garbage_is_refused(rest, body, sentence):
    status, found = rest.predict(body)
    assert status == 400
    assert sentence in found["error"]
    assert "Traceback" not in found["error"]


def test_too_many_rows_and_too_many_bytes(rest):
    status, found = rest.predict({"inputs": {"examples": [""] * 100_000}})
    assert status == 400
    assert "100,000 rows, but a request may have at most 1,000" in found["error"]
    for body in (b'{"instances": ["' + b"x" * 10_000_000 + b'"]}', gzip.compress(b" " * 9_000_000)):
        headers = {} if body.startswith(b"{") else {"Content-Encoding": "gzip"}
        status, data = rest.raw("POST", f"{BASE}:predict", body, **headers)
        assert status == 413
        assert "raise --max-message-mb" in json.loads(data)["error"]
        rest.connection.close()


def test_a_body_may_come_in_chunks_compressed_and_as_any_type(rest, examples):
    body = json.dumps({"instances": b64(examples[:1])}).encode()
    chunks = (body[i : i + 7] for i in range(0, len(body), 7))
    assert rest.raw("POST", f"{BASE}:predict", chunks)[0] == 200
    packed = {"Content-Encoding": "gzip"}
    assert rest.raw("POST", f"{BASE}:predict", gzip.compress(body), **packed)[0] == 200
    curl = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` says
    assert rest.raw("POST", f"{BASE}:predict", body, **curl)[0] == 200
    status, data = rest.raw("POST", f"{BASE}:predict", b"not gzip", **packed)
    assert status == 400
    assert "error" in json.loads(data)


def exchange(port, data, half_close=False):
    """Sends bytes on a connection of their own, and reads until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def head(length):
    first = f"POST {BASE}:predict HTTP/1.1\r\nHost: localhost\r\n"
    return f"{first}Content-Length: {length}\r\n\r\n".encode()


def test_a_body_that_never_ends_is_given_up(server, rest):
    answered = exchange(server.rest_port, head(100) + b'{"inst')
    assert answered.startswith(b"HTTP/1.1 408")
    assert b"did not arrive within 0.5 seconds" in answered
    assert rest.get(BASE)[0] == 200


@pytest.mark.parametrize("sent", [0, 5, 19], ids=["head", "half", "whole"])
def test_a_half_closed_connection_does_no_harm(server, rest, sent):
    body = b'{"instances": [""]}'
    answered = exchange(server.rest_port, head(len(body)) + body[:sent], half_close=True)
    assert answered.startswith(b"HTTP/1.1 200 ") == (sent == len(body))
    assert rest.predict(body)[0] == 200


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 100])
def test_what_is_no_http_does_no_harm(server, rest, garbage):
    exchange(server.rest_port, garbage + b"\r\n\r\n", half_close=True)
    assert rest.get(BASE)[0] == 200


def test_one_connection_answers_many_requests(rest, examples):
    body = {"instances": b64(examples[:1])}
    assert rest.predict(body)[0] == 200
    local = rest.connection.sock.getsockname()
    for wrong in ({"instances": []}, {"inputs": 3}):
        assert rest.predict(wrong)[0] == 400
    assert rest.predict(body)[0] == 200
    assert rest.connection.sock.getsockname() == local


def test_health(rest):
    assert rest.raw("GET", "/healthz") == (200, b"ok\n")
    assert rest.raw("GET", "/readyz") == (200, b"ok\n")


def test_an_unknown_address_is_not_found(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)
    connection.request("GET", "/nothing")
    assert connection.getresponse().status == 404
    connection.close()
