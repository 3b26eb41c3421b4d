"""An aiohttp server on a thread of its own, beside the threads of gRPC."""

import asyncio
import ssl
import threading
from collections.abc import Sequence

from aiohttp import web

from serving.server.http.rest_connection import RestConnection
from serving.server.http.rest_errors import errors_in_json

_IDLE_SECONDS = 75.0  # between requests, and for the head of one: idle clients hold descriptors
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
    """

    def __init__(
        self,
        routes: Sequence[web.RouteDef],
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        max_body_bytes: int,
        grace_seconds: float,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        app = web.Application(client_max_size=max_body_bytes, middlewares=[errors_in_json])
        app.add_routes(routes)
        self._runner = web.AppRunner(app, shutdown_timeout=grace_seconds)
        self._listening: asyncio.Server | None = None

    def start(self) -> int:
        """Listens, and returns the port.

        Raises:
            OSError: The port cannot be had.
        """
        self._loop = asyncio.new_event_loop()
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
            self._connection, self._host, self._port, ssl=self._tls
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
        )
