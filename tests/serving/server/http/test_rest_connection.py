"""Connections that clients close on one side, leave idle, or fill with what is no HTTP."""

import json
import logging
import socket

import pytest
from aiohttp import web

from serving.server.http import rest_server
from serving.server.http.rest_server import RestServer
from tests.serving.server.conftest import MODEL

BODY = b'{"inputs": [""]}'
POST = f"POST /v1/models/{MODEL}:predict HTTP/1.1\r\nHost: localhost\r\n".encode()
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def exchange(port: int, data: bytes, half_close: bool = True) -> bytes:
    """Sends bytes, and reads until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


@pytest.mark.parametrize("request_", [WHOLE, CHUNKED], ids=["length", "chunked"])
def test_a_whole_request_is_answered_on_a_half_closed_connection(server, rest, request_):
    head, _, body = exchange(server.rest_port, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body) == rest.post(f"/v1/models/{MODEL}:predict", BODY)[1]
    assert exchange(server.rest_port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").endswith(
        b"ok\n"
    )


@pytest.mark.parametrize("sent", [0, 10, len(WHOLE) - len(BODY), len(WHOLE) - 1])
def test_a_half_closed_connection_without_a_whole_request_is_closed(server, sent):
    assert exchange(server.rest_port, WHOLE[:sent]) == b""


def test_a_connection_may_be_half_closed_after_its_answer(server):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=30) as connection:
        connection.sendall(WHOLE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\1garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nabcd",
        POST + b"Content-Encoding: deflate\r\nContent-Length: 99\r\n\r\n" + BODY,
    ],
    ids=["bytes", "long header", "length", "chunk", "coding", "broken coding"],
)
def test_what_is_no_http_is_refused_in_one_sentence_and_not_logged(server, garbage, caplog):
    with caplog.at_level(logging.INFO):
        head, _, body = exchange(server.rest_port, garbage, half_close=False).partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    (sentence,) = json.loads(body).values()
    assert len(sentence) < 300
    assert "\n" not in sentence
    assert not caplog.records


def test_a_bug_is_logged_and_answered_shortly(monkeypatch, caplog):
    async def broken(_: web.Request) -> web.Response:
        raise ZeroDivisionError("secret")

    server = RestServer([web.get("/", broken)], "127.0.0.1", 0, None, 1000, 1.0)
    port = server.start()
    try:
        answered = exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    finally:
        server.stop()
    assert answered.split()[1] == b"500"
    assert b"the server failed" in answered
    assert b"secret" not in answered
    assert "ZeroDivisionError: secret" in caplog.text


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"]
)
def test_an_idle_connection_is_closed(monkeypatch, sent):
    monkeypatch.setattr(rest_server, "_IDLE_SECONDS", 0.2)
    server = RestServer([], "127.0.0.1", 0, None, 1000, 1.0)
    try:
        exchange(server.start(), sent, half_close=False)  # returns
    finally:
        server.stop()
