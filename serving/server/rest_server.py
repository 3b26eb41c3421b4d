"""An aiohttp server on a thread of its own, beside the threads of gRPC."""

import asyncio
import ssl
import threading
from collections.abc import Sequence

from aiohttp import web

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
        app = web.Application(client_max_size=max_body_bytes)
        app.add_routes(routes)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=grace_seconds,
            lingering_time=_LINGERING_SECONDS,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)

    def start(self) -> int:
        """Listens, and returns the port.

        Raises:
            OSError: The port cannot be had.
        """
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        """Stops listening, waits for what is being answered, then closes every connection."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls)
        await site.start()
        return self._runner.addresses[0][1]
