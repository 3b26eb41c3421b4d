"""One running server of one export, and what asks it, for every test of this folder."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.scoring.signature_inputs import signature_inputs
from serving.server.options import ServerOptions
from serving.server.run import Server

MODEL = "clicks"


@pytest.fixture(scope="session")
def server(exported) -> Iterator[Server]:
    """Serves `exported` as the model `clicks`. Tests must not stop it or reload its models."""
    options = ServerOptions(
        exported.parent,
        name=MODEL,
        grpc_port=0,
        rest_port=0,
        max_batch=1000,
        max_message_mb=1,
        body_seconds=0.5,
    )
    with Server(options) as running:
        yield running


class GrpcClient:
    """The stubs of a server."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None):
        self.channel = (
            grpc.insecure_channel(address)
            if credentials is None
            else grpc.secure_channel(address, credentials)
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)


@pytest.fixture(scope="session")
def grpc_client(server) -> Iterator[GrpcClient]:
    client = GrpcClient(f"127.0.0.1:{server.grpc_port}")
    yield client
    client.channel.close()


class RestClient:
    """One kept-alive connection to a server."""

    def __init__(self, port: int, connection: http.client.HTTPConnection | None = None):
        self.connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def raw(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read()

    def get(self, path: str) -> tuple[int, Any]:
        status, data = self.raw("GET", path)
        return status, json.loads(data)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Sends bytes as they are and anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answered = self.raw("POST", path, data)
        return status, json.loads(answered)

    def predict(self, body: Any, path: str = f"/v1/models/{MODEL}:predict") -> tuple[int, Any]:
        return self.post(path, body)


@pytest.fixture
def rest(server) -> Iterator[RestClient]:
    client = RestClient(server.rest_port)
    yield client
    client.connection.close()


@pytest.fixture(scope="session")
def eager(exported) -> Callable[..., dict[str, np.ndarray]]:
    """The export's own answers, by name of the signature, without the server."""
    loaded = tf.saved_model.load(str(exported))

    def run(signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        return {k: v.numpy() for k, v in loaded.signatures[signature](**tensors).items()}

    return run


@pytest.fixture(scope="session")
def examples(rows, bundle) -> np.ndarray:
    """The rows as serialized tf.Examples."""
    return signature_inputs("serving_default", rows, bundle.metadata.features)["examples"].numpy()


@pytest.fixture(scope="session")
def tensors(rows, bundle) -> dict[str, np.ndarray]:
    """The rows as the inputs of `raw_tensors`."""
    inputs = signature_inputs("raw_tensors", rows, bundle.metadata.features)
    return {name: tensor.numpy() for name, tensor in inputs.items()}


def as_json(array: np.ndarray) -> Any:
    """Nested lists, bytes as text."""
    if array.dtype == object:
        return np.vectorize(lambda each: each.decode(), otypes=[object])(array).tolist()
    return array.tolist()
