"""Whatever arrives over HTTP, the answer is a status and a sentence, and others get theirs."""

import http.client
import json
import socket
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.export_format import names
from tests.serving.server.conftest import MODEL, as_json
from tests.serving.server.fuzz import FUZZ, assert_sentence, damaged, witnesses

ALLOWED = {400, 403, 404, 405, 408, 413, 429}
VERBS = ["predict", "classify", "regress", "metadata", "explode", ""]
PATH = f"/v1/models/{MODEL}:predict"

# Values as Python's parser reads them; NaN, Infinity and halves of surrogate pairs included.
EXTREMES = [2**63, -(2**63) - 1, 10**400, 1e400, -1e400, 5e-324, 1e39, True, None]
EXTREMES += ["\ud800", "\0", "a" * 5000, [], {}, {"b64": "\ud800"}, {"b64": None}, {"b64": "A"}]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["u1", "i2", "ü3"]),
    st.sampled_from(EXTREMES),
    st.fixed_dictionaries({"b64": st.one_of(st.text(max_size=8), st.just("AAAA"))}),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def send(server) -> Callable[..., object]:
    """One request on a connection of its own: the parsed body of an answer, or None."""

    def send(path: str, body: bytes, method: str = "POST", **headers: str) -> object | None:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            status, data = answer.status, answer.read()
        finally:
            connection.close()
        if status == 200:
            return json.loads(data)
        assert status in ALLOWED, (status, data)
        error = json.loads(data)
        assert set(error) <= {"error", "fields"}
        assert_sentence(error["error"])
        return None

    return send


@pytest.fixture(scope="module")
def columns(tensors) -> dict:
    """Two rows as JSON, one of each kind."""
    return {name: as_json(value[:2]) for name, value in tensors.items()}


@pytest.fixture(scope="module")
def witness(send, tensors, eager) -> Callable[[int], None]:
    """Asks for the scores of a few known rows, other ones each time."""
    wanted = eager(names.RAW_TENSORS, **tensors)[names.PROB]

    def ask(number: int) -> None:
        rows = np.roll(np.arange(len(wanted)), number)[: 1 + number % 5]
        inputs = {name: as_json(value[rows]) for name, value in tensors.items()}
        body = json.dumps({"signature_name": names.RAW_TENSORS, "inputs": inputs}).encode()
        np.testing.assert_allclose(send(PATH, body)["outputs"], wanted[rows], atol=1e-6)

    return ask


@FUZZ
@given(body=st.binary(max_size=200), verb=st.sampled_from(VERBS))
def test_bytes_that_are_nothing_in_particular(send, witness, body, verb):
    send(f"/v1/models/{MODEL}:{verb}", body)
    witness(len(body))


def test_damaged_json_beside_known_requests(send, witness, columns):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    whole = [
        {"signature_name": names.RAW_TENSORS, "inputs": columns},
        {"signature_name": names.RAW_TENSORS, "instances": rows},
        {
            "signature_name": names.CLASSIFY,
            "examples": [{"price": 1.5, "item": "i1", "tags": ["a"]}],
        },
    ]

    @FUZZ
    @given(
        st.one_of(*(damaged(json.dumps(each).encode()) for each in whole)),
        st.sampled_from(["predict", "classify", "regress"]),
    )
    def run(body: bytes, verb: str) -> None:
        send(f"/v1/models/{MODEL}:{verb}", body)

    with witnesses(witness):
        run()


def test_values_that_do_not_fit_beside_known_requests(send, witness, columns):
    """Sound JSON with any value in any place of a request that is otherwise right."""
    names_of = st.sampled_from(sorted(columns))

    @FUZZ
    @given(
        wrong=st.dictionaries(names_of, VALUES, max_size=2),
        top=st.dictionaries(
            st.sampled_from(["signature_name", "inputs", "instances", "examples", "context"]),
            VALUES,
            max_size=2,
        ),
        form=st.sampled_from(["inputs", "instances", "examples"]),
        signature=st.sampled_from(
            [names.RAW_TENSORS, names.RANK, names.SERVING_DEFAULT, names.CLASSIFY]
        ),
    )
    def run(wrong: dict, top: dict, form: str, signature: str) -> None:
        sent = {**columns, **wrong}
        body = {"signature_name": signature, form: sent if form == "inputs" else [sent], **top}
        verb = "classify" if form == "examples" else "predict"
        send(f"/v1/models/{MODEL}:{verb}", json.dumps(body).encode())

    with witnesses(witness):
        run()


def test_every_column_with_every_extreme_value(send, witness, columns):
    """In its place, so that only the value is wrong."""
    for name, values in columns.items():
        for extreme in EXTREMES:
            column = [
                [extreme] * len(each) if isinstance(each, list) else extreme for each in values
            ]
            body = {"signature_name": names.RAW_TENSORS, "inputs": {**columns, name: column}}
            send(PATH, json.dumps(body).encode())
            body = {"signature_name": names.CLASSIFY, "examples": [{name: extreme}]}
            send(f"/v1/models/{MODEL}:classify", json.dumps(body).encode())
    witness(1)


@FUZZ
@given(data=st.data())
def test_rows_of_the_page_with_any_value_in_any_place(send, witness, exported, data):
    lines = (exported / "assets.extra" / "sample_rows.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    row |= data.draw(st.dictionaries(st.sampled_from(sorted(row)), VALUES, max_size=2))
    row |= data.draw(st.dictionaries(st.text(max_size=6), VALUES, max_size=1))
    body = json.dumps({"model": MODEL, "row": row}).encode()
    answer = send("/page/score", body, **{"Content-Type": "application/json"})
    assert answer is None or 0.0 <= answer["prob"] <= 1.0
    witness(1)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"inputs":' * 90_000,
        b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"inputs": [' + b"9" * 4000 + b"]}",
        b'{"inputs": [' + b"9" * 400_000 + b"]}",
        b'{"inputs": 1' + b"0" * 400 + b".0}",
        b'{"instances": [NaN, Infinity, -Infinity]}',
        b'{"instances": [], "instances": []}',
        b'{"instances": ["\\ud800"]}',
        b'{"instances": [{"b64": "\\ud800"}]}',
        b'{"signature_name": "\\ud800", "instances": [""]}',
        b'\xef\xbb\xbf{"instances": [""]}',
        b'{"instances": ["' + b"x" * 2_000_000 + b'"]}',
        b'{"instances": [' + b'"",' * 200_000 + b'""]}',
    ],
    ids=lambda body: f"{body[:24]!r}, {len(body)} bytes",
)
def test_bodies_that_are_made_to_hurt(send, witness, body):
    for verb in ("predict", "classify"):
        assert send(f"/v1/models/{MODEL}:{verb}", body) is None
    witness(1)


def test_a_repeated_key_behind_many_others_is_found_at_once(send):
    """Not by comparing each with each: that would take the server an hour, in one thread."""
    keys = ",".join(f'"{number}":0' for number in range(60_000))
    began = time.process_time()  # the server's thread counts; other programs do not
    assert send(PATH, f'{{{keys},"59999":0}}'.encode()) is None
    assert time.process_time() - began < 20  # seconds; 0.05 where it is linear


@FUZZ
@given(
    path=st.text(
        st.characters(codec="ascii", min_codepoint=33, max_codepoint=126, exclude_characters="#?"),
        max_size=40,
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    under=st.sampled_from(
        ["/v1/", "/v1/models/", f"/v1/models/{MODEL}", f"/v1/models/{MODEL}/versions/"]
    ),
)
def test_paths_that_lead_nowhere(send, witness, path, method, under):
    send(under + path, b"{}" if method == "POST" else b"", method)
    witness(2)


@FUZZ
@given(
    data=st.one_of(
        st.binary(max_size=300),
        damaged(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            "Content-Type: application/json\r\n\r\n{}".encode()
        ),
        damaged(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            "Content-Encoding: gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n".encode()
        ),
    ),
    half=st.booleans(),
)
def test_bytes_that_are_no_http(server, witness, data, half):
    """Sent over a socket that is closed at once, or on one side only."""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as connection:
        try:
            connection.sendall(data)
            if half:
                connection.shutdown(socket.SHUT_WR)
                answer = b""
                while received := connection.recv(65536):
                    answer += received
                for line in answer.split(b"\r\n"):
                    if line.startswith(b"HTTP/1."):
                        assert int(line.split()[1]) in {200, *ALLOWED}, answer
                assert b"Traceback" not in answer
        except ConnectionError:
            pass  # the server may hang up
    witness(4)


def test_connections_that_stay_half_open_do_not_keep_others_waiting(server, witness):
    held = [socket.create_connection(("127.0.0.1", server.rest_port)) for _ in range(40)]
    try:
        for number, connection in enumerate(held):
            request = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{"
            connection.sendall(request.encode()[: 10 + number * 2])
        witness(5)
    finally:
        for connection in held:
            connection.close()
    witness(6)
