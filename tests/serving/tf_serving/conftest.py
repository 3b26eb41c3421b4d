"""One running server of the export, for every test of this folder."""

import json
from collections.abc import Iterator

import pytest

from serving.layout import SAMPLE_ROWS
from serving.server.options import ServerOptions
from serving.server.run import Server
from serving.tf_serving.client import Client

MODEL = "clicks"


@pytest.fixture(scope="session")
def endpoint(exported) -> Iterator[Server]:
    """Serves `exported` as the model `clicks`."""
    options = ServerOptions(exported.parent, name=MODEL, grpc_port=0, rest_port=0)
    with Server(options) as running:
        yield running


@pytest.fixture(scope="session")
def target(endpoint) -> str:
    return f"127.0.0.1:{endpoint.grpc_port}"


@pytest.fixture
def client(target) -> Iterator[Client]:
    with Client(target, MODEL, timeout=60.0) as opened:
        yield opened


@pytest.fixture(scope="session")
def plain_rows(rows) -> list[dict]:
    """The rows as an application holds them, some of their values missing."""
    return rows.to_pylist()


@pytest.fixture(scope="session")
def sample_rows(exported) -> list[dict]:
    return [json.loads(line) for line in (exported / SAMPLE_ROWS).read_text().splitlines()]
