"""An aiohttp server on a thread of its own, beside the threads of gRPC."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

from aiohttp import web

from serving.server.core.seldom_log import SeldomLog
from serving.server.http.connections import Connections
from serving.server.http.own_site import only_hosts, set_headers
from serving.server.http.rest_connection import RestConnection
from serving.server.http.rest_errors import errors_in_json

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 75.0  # between requests: idle clients hold descriptors
_HEAD_SECONDS = 10.0  # from the first byte of a request to the end of its head, and for TLS
_LINGERING_SECONDS = 2.0  # the rest of a refused body is read so long: the client sees the answer


class RestServer:
    """Serves routes until `stop`.

    Args:
        routes: What to serve.
        host: Address to listen on.
        port: 0 for a free one.
        tls: None for plain HTTP.
        max_body_bytes: The largest body, after decompression.
        grace_seconds: How long `stop` waits for what is being answered.
        most_connections: How many may be open.
        hosts: Names that requests may be for, beside this machine's own; None for any.
    """

    def __init__(
        self,
        routes: Sequence[web.RouteDef],
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        max_body_bytes: int,
        grace_seconds: float,
        most_connections: int = 1000,
        hosts: Collection[str] | None = None,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        middlewares = [errors_in_json] if hosts is None else [only_hosts(hosts), errors_in_json]
        app = web.Application(client_max_size=max_body_bytes, middlewares=middlewares)
        app.on_response_prepare.append(set_headers)
        app.add_routes(routes)
        self._connections = Connections(most_connections)
        self._runner = web.AppRunner(app, shutdown_timeout=grace_seconds)
        self._listening: asyncio.Server | None = None

    def start(self) -> int:
        """Listens, and returns the port.

        Raises:
            OSError: The port cannot be had.
        """
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(told_seldom(SeldomLog(_log)))
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        """Stops listening, waits for what is being answered, then closes every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        await self._runner.setup()
        self._listening = await self._loop.create_server(
            self._connection,
            self._host,
            self._port,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else _HEAD_SECONDS,
        )
        return self._listening.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()

    def _connection(self) -> RestConnection:
        return RestConnection(
            self._runner.server,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
            connections=self._connections,
            head_seconds=_HEAD_SECONDS,
            idle_seconds=_IDLE_SECONDS,
        )


def told_seldom(told: SeldomLog) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """A handler of what asyncio would log with a traceback, a hundred times a second where no
    descriptor is left.

    Args:
        told: Where what the system refuses is logged.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError):
            told.warning("system", f"REST: {context['message']}: {error.strerror or error}")
        else:
            loop.default_exception_handler(context)

    return handle
