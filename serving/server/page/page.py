"""The page at `/`: the models served here, and a form that scores a row of one of them."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from serving.server.core.limits import Admission
from serving.server.core.serving_error import ServingError, invalid, quote
from serving.server.http.arriving_bodies import ArrivingBodies
from serving.server.http.own_site import refuse_cross_site
from serving.server.http.rest_errors import HTTP_STATUS
from serving.server.http.rest_json import parse_object
from serving.server.page.page_model import describe
from serving.server.page.page_row import score_row

_FOLDER = Path(__file__).with_name("site")
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # Nothing from elsewhere, no inline script or style, in nobody's frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_MOST_ROWS = 16  # that are scored at a time, for all visitors of the page


def routes(manager: Any, bodies: ArrivingBodies) -> list[web.RouteDef]:
    """The page, its files, and what its scripts ask for.

    | route | answers |
    |---|---|
    | `GET /` and `/page/<file>` | the page: HTML, scripts, style |
    | `GET /page/models` | the models, with the state of every version |
    | `GET /page/model?name=&version=` | `serving.server.page.page_model.describe` |
    | `POST /page/score` | `serving.server.page.page_row.score_row` of {"model", "version", "row"} |

    An error is {"error": sentence}, with {"fields": {raw column: sentence}} where a row is wrong.
    Paths in the page are relative, so that it also works behind a prefix.

    Args:
        manager: A `serving.server.lifecycle.manager.ModelManager`.
        bodies: What reads the bodies of requests.
    """

    async def models(_: web.Request) -> web.Response:
        return await _reply(_models, manager)

    async def model(request: web.Request) -> web.Response:
        return await _reply(_model, manager, request.query)

    admission = Admission(_MOST_ROWS, refusal="{most} rows are being scored. Try again later.")

    async def score(request: web.Request) -> web.Response:
        try:
            refuse_cross_site(request)
            _refuse_other_types(request)
            body = await bodies.read(request)
            with admission.admit():
                return await _reply(_score, manager, body)
        except ServingError as error:
            return _error(error)

    files = [
        web.get("/" if path.name == "index.html" else f"/page/{path.name}", _file(path))
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    ]
    routes_of_scripts = [web.get("/page/models", models), web.get("/page/model", model)]
    return [*files, *routes_of_scripts, web.post("/page/score", score)]


def _file(path: Path) -> Any:
    content = path.read_bytes()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            body=content, content_type=_TYPES[path.suffix], charset="utf-8", headers=_HEADERS
        )

    return answer


async def _reply(function: Any, *args: Any) -> web.Response:
    """What a function returns, as JSON. It runs in a thread: it reads files, or scores."""
    try:
        return web.json_response(await asyncio.to_thread(function, *args), headers=_HEADERS)
    except ServingError as error:
        return _error(error)


def _error(error: ServingError) -> web.Response:
    body: dict[str, Any] = {"error": error.message}
    if error.fields:
        body["fields"] = error.fields
    return web.json_response(body, status=HTTP_STATUS.get(error.code, 500), headers=_HEADERS)


def _models(manager: Any) -> dict[str, Any]:
    return {
        "models": [
            {
                "name": name,
                "versions": [
                    {
                        "version": str(version.version),
                        "state": version.state,
                        "message": version.message,
                    }
                    for version in manager.status(name)
                ],
            }
            for name in manager.names()
        ]
    }


def _model(manager: Any, query: Mapping[str, str]) -> dict[str, Any]:
    with manager.use(_text(query, "name"), _version(query)) as model:
        return describe(model)


def _score(manager: Any, body: bytes) -> dict[str, Any]:
    request = parse_object(body)
    try:
        json.dumps(request, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as error:  # half of a surrogate pair is no text
        raise invalid(f"the body cannot be used: {error}. Send rows of texts.") from None
    row = request.get("row")
    if not isinstance(row, dict):
        raise invalid("`row` must be an object, raw column -> value. Give one.")
    return score_row(manager, _text(request, "model"), _version(request), row)


def _refuse_other_types(request: web.Request) -> None:
    """A script may send JSON to another site only after asking, which nobody answers here."""
    if request.content_type != "application/json":
        raise invalid(
            f"the content type must be application/json, got {quote(request.content_type)}. "
            "Send JSON, and say so in the header Content-Type."
        )


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str):
        raise invalid(f"`{key}` must be the name of a model. Give one of those at page/models.")
    return value


def _version(request: Mapping[str, Any]) -> int | None:
    """A version, as a number or as text; None for the latest."""
    value = request.get("version")
    if value is None or (type(value) is int and 0 <= value < 2**63):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    raise invalid("`version` must be a whole number. Leave it out for the latest version.")
