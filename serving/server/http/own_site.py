"""Whom the REST port answers: clients of this machine and its own page, not pages of others."""

import ipaddress
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

import grpc
from aiohttp import web
from aiohttp.typedefs import Middleware

from serving.server.core.serving_error import ServingError, quote
from serving.server.http.rest_errors import error_response

SERVER = "concord"  # without versions, which tell whom to attack how


def only_hosts(names: Collection[str]) -> Middleware:
    """Refuses requests for another name than this machine's own.

    A page elsewhere may have its name resolve to 127.0.0.1: to the browser the server is then a
    part of that page, which may read what it answers (DNS rebinding). The name is what tells.

    Args:
        names: Names beside `localhost` and the addresses of this machine's loopback.
    """
    allowed = {name.lower() for name in names}

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = request.headers.get("Host")  # which every browser sends
        if host is not None and not _is_local(name := _name_of(host)) and name not in allowed:
            return error_response(
                ServingError(
                    grpc.StatusCode.PERMISSION_DENIED,
                    f"the request is for the host {quote(name)}, and this server answers for "
                    "localhost alone. Ask for that, or start it with --allow-host NAME.",
                )
            )
        return await handler(request)

    return check


def refuse_cross_site(request: web.Request) -> None:
    """Refuses what a page of another site asks for in the name of its visitor.

    Browsers name the site that a request comes from; other clients say nothing of it.

    Raises:
        ServingError: PERMISSION_DENIED.
    """
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    typed = site == "none" and request.method == "GET"  # by the user, as an address
    origin = request.headers.get("Origin")
    if not (site == "same-origin" or typed) or (
        origin is not None and origin.partition("://")[2] != request.host
    ):
        raise ServingError(
            grpc.StatusCode.PERMISSION_DENIED,
            "this request comes from another site. Open the page of this server and score there.",
        )


async def set_headers(_: web.Request, response: web.StreamResponse) -> None:
    """What every answer says: that its type is its type, and nothing of versions."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = SERVER


def _name_of(host: str) -> str:
    """The name of `name:port`, in small letters."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # such as half an IPv6 address
        return host


def _is_local(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
