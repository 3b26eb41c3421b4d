"""The page alone on a free port, before models that tests choose."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from aiohttp import web

from serving.server.http.arriving_bodies import ArrivingBodies
from serving.server.http.own_site import set_headers
from serving.server.page.page import routes

MARKUP = "<img src=x onerror=alert(1)>"
SCRIPT = "<script>alert(1)</script>"


@contextmanager
def serve(manager: Any) -> Iterator[int]:
    """Serves the page in a thread, with a loop of its own; yields its port."""
    loop, stop, ports = asyncio.new_event_loop(), asyncio.Event(), Queue()

    async def run() -> None:
        app = web.Application()
        app.on_response_prepare.append(set_headers)
        app.add_routes(routes(manager, ArrivingBodies(1 << 24, 1 << 20, 30.0)))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.put(runner.addresses[0][1])
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    try:
        yield ports.get(timeout=60)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def ask(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request: status, headers, body. A body that is not bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    try:
        connection.request(
            method, path, body, {"Content-Type": "application/json"} | (headers or {})
        )
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()
