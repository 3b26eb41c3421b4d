"""TensorFlow Serving's REST API, health and metrics over HTTP."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_serving.apis import get_model_metadata_pb2

from features.errors import did_you_mean
from serving.server.core.limits import Admission
from serving.server.core.serving_error import ServingError, invalid, not_found, quote
from serving.server.http.arriving_bodies import ArrivingBodies
from serving.server.http.own_site import refuse_cross_site
from serving.server.http.rest_errors import error_response, refused_method
from serving.server.http.rest_examples import read_examples
from serving.server.http.rest_inputs import in_rows, read_inputs
from serving.server.http.rest_json import columns_json, number_json, parse_object, rows_json
from serving.server.requests.calls import Call, guarded
from serving.server.requests.handlers import SIGNATURE_DEF, Handlers, Target
from serving.server.requests.prometheus import CONTENT_TYPE, Metrics

METRICS_PATH = "/monitoring/prometheus/metrics"
_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>[^/:]+)|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>[^/:]+)|(?P<metadata>/metadata))?"
)
_LARGEST_VERSION = 2**63 - 1


class RestApi:
    """The routes of the API.

    Requests are read on the event loop, and answered in threads: there the model runs.

    Args:
        handlers: What answers.
        metrics: Where each request is noted.
        threads: How many requests are answered at a time.
        max_concurrency: Most requests that are answered or wait at a time.
        bodies: What reads the bodies of requests.
        is_ready: Whether every model answers, and the server is not about to stop.
    """

    def __init__(
        self,
        handlers: Handlers,
        metrics: Metrics,
        *,
        threads: int,
        max_concurrency: int,
        bodies: ArrivingBodies,
        is_ready: Callable[[], bool],
    ) -> None:
        self._handlers = handlers
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._admission = Admission(max_concurrency)
        self._bodies = bodies
        self._is_ready = is_ready
        self._verbs: dict[str, Callable[[Call, Target, bytes], str]] = {
            "predict": self._predict,
            "classify": self._classify,
            "regress": self._regress,
        }

    def routes(self) -> list[web.RouteDef]:
        """Everything but the page."""
        return [
            web.route("*", "/v1/{path:.*}", self._answer),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get(METRICS_PATH, self._show_metrics),
        ]

    def close(self) -> None:
        """Lets go of the threads, after what runs; nobody waits for what does not run yet."""
        self._threads.shutdown(cancel_futures=True)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._is_ready():
            return web.Response(text="ok\n")
        return web.Response(text="a model has no version that answers\n", status=503)

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _answer(self, request: web.Request) -> web.Response:
        matched = _PATH.fullmatch(request.path)
        if matched is None:
            return error_response(
                not_found(
                    f"there is nothing at {quote(request.path)}. Expected /v1/models/NAME"
                    "[/versions/N|/labels/L], with :predict, :classify, :regress or /metadata."
                )
            )
        verb = matched["verb"]
        if verb is not None and verb not in self._verbs:
            hint = did_you_mean(verb[:80], self._verbs)
            return error_response(not_found(f"{quote(verb)} is no verb of a model. {hint}"))
        method = "GET" if verb is None else "POST"
        if request.method != method:
            return refused_method(request.method, method)
        call = Call(verb.capitalize() if verb else "GetModelStatus", "REST")
        if matched["metadata"]:
            call.api = "GetModelMetadata"
        self._metrics.began(call)
        status = "OK"
        try:
            refuse_cross_site(request)
            body = await self._bodies.read(request) if verb else b""
            with self._admission.admit():
                text = await self._text(call, matched, body)
            return web.Response(text=text, content_type="application/json")
        except ServingError as error:
            status = error.code.name
            return error_response(error)
        except web.HTTPException as error:  # of a body
            late = isinstance(error, web.HTTPRequestTimeout)
            status = "DEADLINE_EXCEEDED" if late else "RESOURCE_EXHAUSTED"
            raise
        except BaseException:
            status = "CANCELLED"
            raise
        finally:
            self._metrics.ended(call, status)

    async def _text(self, call: Call, matched: re.Match[str], body: bytes) -> str:
        target = _target(matched)
        if matched["verb"]:
            verb = self._verbs[matched["verb"]]
            return await self._in_thread(call, lambda: verb(call, target, body))
        if matched["metadata"]:
            return await self._in_thread(call, lambda: self._metadata(call, target))
        return await self._in_thread(call, lambda: _proto_json(self._handlers.status(target)))

    def _in_thread(self, call: Call, function: Callable[[], str]) -> Awaitable[str]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, lambda: guarded(call, function))

    def _predict(self, call: Call, target: Target, body: bytes) -> str:
        parsed = parse_object(body)
        rows = in_rows(parsed)
        prediction = self._handlers.predict(
            call, _with_signature(target, parsed), lambda signature: read_inputs(parsed, signature)
        )
        return rows_json(prediction.outputs) if rows else columns_json(prediction.outputs)

    def _classify(self, call: Call, target: Target, body: bytes) -> str:
        parsed = parse_object(body)
        target, examples = _with_signature(target, parsed), read_examples(parsed)
        _, result = self._handlers.classify(call, target, examples)
        rows = (
            ", ".join(
                f"[{json.dumps(each.label)}, {number_json(np.float32(each.score))}]"
                for each in row.classes
            )
            for row in result.classifications
        )
        return f'{{"results": [{", ".join(f"[{row}]" for row in rows)}]}}'

    def _regress(self, call: Call, target: Target, body: bytes) -> str:
        parsed = parse_object(body)
        target, examples = _with_signature(target, parsed), read_examples(parsed)
        _, result = self._handlers.regress(call, target, examples)
        values = (number_json(np.float32(each.value)) for each in result.regressions)
        return f'{{"results": [{", ".join(values)}]}}'

    def _metadata(self, call: Call, target: Target) -> str:
        response = self._handlers.metadata(call, target, [SIGNATURE_DEF])
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_DEF].Unpack(signatures)
        return json.dumps(
            {
                "model_spec": _as_dict(response.model_spec),
                "metadata": {SIGNATURE_DEF: _as_dict(signatures)},
            }
        )


def _target(matched: re.Match[str]) -> Target:
    version = matched["version"]
    if version is None:
        return Target(matched["name"], label=matched["label"])
    if not re.fullmatch(r"[0-9]{1,19}", version) or int(version) > _LARGEST_VERSION:
        raise invalid(f"the version {quote(version)} is not a number of a version.")
    return Target(matched["name"], int(version))


def _with_signature(target: Target, body: dict[str, Any]) -> Target:
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f'"signature_name" must be a string, received {quote(name)}.')
    return Target(target.name, target.version, target.label, name)


def _as_dict(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _proto_json(message: Message) -> str:
    return json.dumps(_as_dict(message))
