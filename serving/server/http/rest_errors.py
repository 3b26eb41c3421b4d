"""Errors over HTTP: {"error": sentence}, with the status that TensorFlow Serving gives it."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import grpc
from aiohttp import web

from serving.server.core.serving_error import ServingError, not_found, quote

HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}


def error_json(message: str) -> str:
    """The body of every error."""
    return json.dumps({"error": message})


def closing(response: Callable[..., web.HTTPException], message: str) -> web.HTTPException:
    """An error after which the rest of the body is not read."""
    return response(
        text=error_json(message),
        content_type="application/json",
        headers={"Connection": "close"},
    )


def error_response(error: ServingError) -> web.Response:
    """The answer to a request that failed."""
    status = HTTP_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return web.Response(
        text=error_json(error.message), status=status, content_type="application/json"
    )


@web.middleware
async def errors_in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers what no route takes in the form of every other error, in place of aiohttp's text."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        return refused_method(request.method, ", ".join(sorted(error.allowed_methods)))
    except web.HTTPNotFound:
        message = f"there is nothing at {quote(request.path)}. The page is at /, models at /v1."
        return error_response(not_found(message))


def refused_method(received: str, expected: str) -> web.Response:
    """405, with the method that is expected."""
    return web.Response(
        text=error_json(f"the method is {received}, expected {expected}."),
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        content_type="application/json",
        headers={"Allow": expected},
    )
