"""Bodies of requests that still arrive: bounded in bytes and in time, whoever sends how slowly."""

import asyncio
from functools import partial

from aiohttp import web

from serving.server.core.serving_error import exhausted, invalid, quote
from serving.server.http.rest_errors import closing

_CODINGS = ("identity", "gzip", "deflate", "br", "zstd")


class ArrivingBodies:
    """Reads bodies. Those that arrive slowly take no place of those that are answered.

    Args:
        most_bytes: Of all bodies that arrive at a time, as far as they have arrived.
        most_bytes_each: Of one body, after decompression.
        seconds: How long a body may take.
    """

    def __init__(self, most_bytes: int, most_bytes_each: int, seconds: float) -> None:
        self._most_bytes, self._most_bytes_each = most_bytes, most_bytes_each
        self._seconds = seconds
        self._bytes = 0

    async def read(self, request: web.Request) -> bytes:
        """The body of a request, if it arrives in time and whole.

        Raises:
            ServingError: It is no HTTP body, or not of its Content-Encoding; or too many arrive.
            web.HTTPException: 408, 413 or 415; the connection is closed.
        """
        coding = request.headers.get("Content-Encoding", _CODINGS[0]).lower()
        if coding not in _CODINGS:  # which would be read as if it were plain
            raise closing(
                web.HTTPUnsupportedMediaType,
                f"the Content-Encoding is {quote(coding)}, expected one of {', '.join(_CODINGS)}.",
            )
        body = bytearray()
        try:
            await asyncio.wait_for(self._receive(request, body), self._seconds)
        except asyncio.TimeoutError:  # the built-in one from Python 3.11
            raise closing(
                web.HTTPRequestTimeout,
                f"the body did not arrive within {self._seconds:g} seconds.",
            ) from None
        finally:
            self._bytes -= len(body)
        return bytes(body)

    async def _receive(self, request: web.Request, body: bytearray) -> None:
        while True:
            try:
                part = await request.content.readany()
            except Exception as error:  # what arrived is no HTTP body, or not of its encoding
                raise invalid(f"the body cannot be read: {type(error).__name__}.") from None
            if not part:
                return
            self._bytes += len(part)
            body += part
            if len(body) > self._most_bytes_each:
                raise closing(
                    partial(web.HTTPRequestEntityTooLarge, 0),
                    "the body is larger than this server takes. Send several requests, or raise "
                    "--max-message-mb.",
                )
            if self._bytes > self._most_bytes:
                raise exhausted("too many bodies arrive at a time. Try again later.")
