"""Clients that say little keep no others out."""

import asyncio
import contextlib
import http.client
import logging
import socket
import time

import pytest
from aiohttp import web

from serving.server.core.seldom_log import SeldomLog
from serving.server.core.serving_error import ServingError
from serving.server.http import rest_server
from serving.server.http.arriving_bodies import ArrivingBodies
from serving.server.http.connections import Connections
from serving.server.http.rest_errors import error_response
from serving.server.http.rest_server import RestServer, told_seldom


class Line:
    """Stands for a connection."""

    def __init__(self, idle=True):
        self.idle, self.dropped = idle, False

    def drop(self):
        self.dropped = True


def test_one_too_many_closes_the_oldest_idle_one_or_itself():
    connections = Connections(3)
    busy, old, young = Line(idle=False), Line(), Line()
    for line in (busy, old, young):
        connections.add(line)
    connections.add(Line())
    assert [line.dropped for line in (busy, old, young)] == [False, True, False]
    full = Connections(1)
    full.add(Line(idle=False))
    last = Line()
    full.add(last)
    assert last.dropped
    assert len(full) == 1


def served(handler, **options):
    server = RestServer([web.route("*", "/", handler)], "127.0.0.1", 0, None, 1000, 1.0, **options)
    stack = contextlib.ExitStack()
    port = server.start()
    stack.callback(server.stop)
    return stack, port


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@pytest.mark.parametrize("sent", [b"", b"GET / HT"], ids=["nothing", "half a head"])
def test_a_hundred_idle_connections_leave_room(sent, caplog):
    stack, port = served(_ok, most_connections=10)
    with stack:
        connect = lambda: stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        held = [connect() for _ in range(100)]
        for line in held:
            with contextlib.suppress(OSError):
                line.sendall(sent)
        for _ in range(3):
            asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            asking.request("GET", "/")
            assert asking.getresponse().read() == b"ok"
            asking.close()
    (line,) = [each for each in caplog.messages if "connections are open" in each]
    assert line.startswith("10 connections are open, the most")


def test_the_head_of_a_request_must_arrive_in_time(monkeypatch):
    monkeypatch.setattr(rest_server, "_HEAD_SECONDS", 0.3)
    stack, port = served(_ok)
    with stack, socket.create_connection(("127.0.0.1", port)) as line:
        started = time.monotonic()
        line.settimeout(30)
        with contextlib.suppress(ConnectionError):
            for letter in b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000:  # without an end
                line.sendall(bytes([letter]))
                time.sleep(0.02)
        assert time.monotonic() - started < 20.0


def test_bodies_are_bounded_together_alone_and_in_their_coding():
    bodies = ArrivingBodies(most_bytes=150, most_bytes_each=100, seconds=30.0)

    async def read(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await bodies.read(request))
        except ServingError as error:
            return error_response(error)

    def ask(body, **headers):
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        asking.request("POST", "/", body, headers)
        answer = asking.getresponse()
        asking.close()
        return answer.status

    stack, port = served(read)
    with stack:
        assert ask(b"a" * 100) == 200
        assert ask(b"a" * 101) == 413
        assert ask(b"a", **{"Content-Encoding": "zstdx"}) == 415
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n" + b"a" * 80)
        statuses = set()
        end = time.monotonic() + 30
        while 429 not in statuses and time.monotonic() < end:  # until the server has read them
            statuses.add(ask(b"a" * 90))
        assert ask(b"a" * 60) == 200
        slow.sendall(b"a" * 10)
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        assert ask(b"a" * 90) == 200  # what was read is given back


def test_what_lasts_is_told_once_a_while(caplog):
    log = SeldomLog(logging.getLogger("test"), seconds=0.2)
    for _ in range(100):
        log.warning("full", "no room")
    log.warning("other", "another")
    assert caplog.messages == ["no room", "another"]
    time.sleep(0.25)
    log.warning("full", "no room")
    assert caplog.messages[2:] == ["no room (99 more times since)"]


def test_no_descriptors_are_one_line_a_minute(caplog):
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(told_seldom(SeldomLog(logging.getLogger("test"))))
    error = OSError(24, "Too many open files")
    for _ in range(200):
        loop.call_exception_handler({"message": "socket.accept() failed", "exception": error})
    loop.close()
    assert caplog.messages == ["REST: socket.accept() failed: Too many open files"]
