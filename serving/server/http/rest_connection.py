"""A connection of the REST server: what aiohttp leaves to its users when a client misbehaves."""

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from serving.server.core.serving_error import quote
from serving.server.http.connections import Connections
from serving.server.http.own_site import SERVER
from serving.server.http.rest_errors import error_json


class RestConnection(web.RequestHandler):
    """aiohttp's protocol of one connection, with four differences.

    - A client that closes its side after a whole request is answered, as by TensorFlow Serving and
      most servers; aiohttp closes the connection. Of several requests at once only the one that
      runs is answered then. TLS knows no half-closed connections.
    - What is no HTTP is answered in the form of every other error.
    - It is one of a bounded number, and the head of a request must arrive in time.
    - It is logged in one line for debugging: aiohttp writes a traceback for each, and whoever
      reaches the port could fill a disk with them.
    """

    __slots__ = (
        *("_connections", "_head_seconds", "_head_timer"),
        *("_idle_seconds", "_is_silent", "_last_body"),
    )

    def __init__(
        self,
        *args: Any,
        connections: Connections,
        head_seconds: float,
        idle_seconds: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self._head_seconds, self._idle_seconds = head_seconds, idle_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_silent = True
        self._last_body: Any = None  # of the last request whose head has arrived

    @property
    def idle(self) -> bool:
        """Whether it waits for the head of a request."""
        return self._current_request is None and not self._messages

    def drop(self) -> None:
        """Closes the connection at once, whatever was sent on it."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection, in place of an idle one where there are too many."""
        super().connection_made(transport)
        # Not every version of aiohttp closes one on which nothing was ever sent.
        self._head_timer = self._loop.call_later(self._idle_seconds, self.drop)
        self._connections.add(self)

    def connection_lost(self, error: BaseException | None) -> None:
        """Forgets it."""
        self._connections.remove(self)
        self._stop_timer()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Reads what arrived, and keeps the body of the last request in it."""
        if self._is_silent:
            self._is_silent = False
            self._stop_timer()
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]
            self._stop_timer()
        elif self.idle and self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head_seconds, self.drop)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # asyncio's protocols may answer True, to keep the connection; aiohttp's types forget it.
    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keeps the connection for the answer that is due, and closes it behind that."""
        waits_for_request = self._waiter is not None and not self._waiter.done()
        if self.ssl_context or waits_for_request or self._last_body is None:
            return None
        if not self._last_body.is_eof():
            return None  # the rest of the request will never come
        self.close()
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, and to a bug in the server."""
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a REST request failed", exc_info=exc)
            sentence = "the server failed. The reason is in its log."
        else:
            self.logger.debug("%s sent no HTTP: %s", request.remote, quote(message))
            reason = " ".join((message or "").split()[:20])
            sentence = f"this is no HTTP request that can be read: {quote(reason)}."
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer has been sent")
        response = web.Response(
            text=error_json(sentence), status=status, content_type="application/json"
        )
        response.headers["Server"] = SERVER
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """Logs a bug of the server; a broken body is the client's, who has been told."""
        if isinstance(kwargs.get("exc_info"), web.RequestPayloadError):
            self.logger.debug("a body broke off: %s", quote(str(kwargs["exc_info"])))
        else:
            super().log_exception(*args, **kwargs)
