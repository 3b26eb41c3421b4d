"""TensorFlow Serving's REST API, as far as a check of an endpoint needs it. No TensorFlow."""

import base64
import copy
import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from serving.client.connection import EndpointError, Tls
from serving.client.request_rows import Row
from serving.export_format.signature_table import TensorTemplate


class Rest:
    """Asks one model of one server.

    Args:
        target: HOST:PORT.
        model: Name of the model.
        timeout: Seconds that a request may take.
        tls: Certificates; plain HTTP where it is None.
    """

    def __init__(self, target: str, model: str, timeout: float, tls: Tls | None = None) -> None:
        self._models = f"{'http' if tls is None else 'https'}://{target}/v1/models/"
        self.url = self._models + urllib.parse.quote(model, safe="")
        self._timeout = timeout
        context = None
        if tls is not None:
            context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
            if tls.cert is not None:
                context.load_cert_chain(str(tls.cert), str(tls.key))
        # No proxy of the environment stands between the check and its endpoint.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def of_model(self, model: str) -> "Rest":
        """The same server, asked for another model."""
        other = copy.copy(self)
        other.url = self._models + urllib.parse.quote(model, safe="")
        return other

    def get(self, path: str = "") -> Any:
        """The JSON of a GET, such as of `/metadata`."""
        return self._send(urllib.request.Request(self.url + path))

    def post(self, verb: str, body: Mapping[str, Any]) -> Any:
        """The JSON of a POST to `:predict`, `:classify` or `:regress`."""
        request = urllib.request.Request(
            f"{self.url}:{verb}",
            json.dumps(body).encode(),  # with NaN and Infinity, as TensorFlow Serving takes them
            {"Content-Type": "application/json"},
        )
        return self._send(request)

    def _send(self, request: urllib.request.Request) -> Any:
        where = f"{request.get_method()} {request.full_url}"
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(2000).decode("utf-8", "replace")
            raise EndpointError(
                f"HTTP {error.code}", f"{where} failed with HTTP {error.code}: {_message(text)}"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EndpointError(
                "NO ANSWER", f"{where} has no answer: {_message(str(error))}."
            ) from None


def _message(body: str) -> str:
    """The `error` of an answer's body, in one line that a terminal can show."""
    with suppress(ValueError, KeyError, TypeError):
        body = str(json.loads(body)["error"])
    words = " ".join(body.split())
    return "".join(each if each.isprintable() else "?" for each in words)


def columns(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The inputs of a signature as `inputs` of a request."""
    return {name: _json(_never_empty(array)) for name, array in inputs.items()}


def instances(inputs: Mapping[str, np.ndarray]) -> list[Any]:
    """The inputs of a signature as `instances` of a request: a row each."""
    values = columns(inputs)
    if len(values) == 1:
        return next(iter(values.values()))
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def example(row: Row) -> dict[str, Any]:
    """A raw row as one of the `examples` of a request to classify or regress."""
    return {key: value for key, value in row.items() if value is not None and value != []}


def outputs_of_columns(answer: Any, outputs: Mapping[str, TensorTemplate]) -> dict[str, np.ndarray]:
    """The outputs in an answer to `inputs`: one alone has no name there."""
    values = answer["outputs"]
    if len(outputs) == 1:
        values = dict.fromkeys(outputs, values)
    return {name: _array(values[name], template) for name, template in outputs.items()}


def outputs_of_instances(
    answer: Any, outputs: Mapping[str, TensorTemplate]
) -> dict[str, np.ndarray]:
    """The outputs in an answer to `instances`."""
    rows: Sequence[Any] = answer["predictions"]
    if len(outputs) == 1:
        return {name: _array(rows, template) for name, template in outputs.items()}
    return {
        name: _array([row[name] for row in rows], template) for name, template in outputs.items()
    }


def _array(values: Any, template: TensorTemplate) -> np.ndarray:
    if template.dtype != "string":
        return np.array(values, template.dtype)
    encoded: np.ndarray = np.vectorize(str.encode, [object])(np.array(values, object))
    return encoded


def _never_empty(array: np.ndarray) -> np.ndarray:
    """Lists of tokens with at least the one that stands for missing: JSON has no shape [2, 0]."""
    if array.dtype == object and array.ndim == 2 and array.shape[1] == 0:
        return np.full((array.shape[0], 1), "", object)
    return array


def _json(array: np.ndarray) -> list[Any]:
    if array.dtype == object and array.size:
        array = np.vectorize(_json_text, [object])(array)
    values: list[Any] = array.tolist()
    return values


def _json_text(value: str | bytes) -> str | dict[str, str]:
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
