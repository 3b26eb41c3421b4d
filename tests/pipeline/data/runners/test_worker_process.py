"""A worker process reads from its runner what Beam's own worker then finds."""

import contextlib
import json
import os
from concurrent import futures

import grpc
import pytest
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import struct_pb2, text_format

from pipeline.data.runners.worker_process import main


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """Says of worker 7-1 what a runner would; nothing to others."""

    def GetProvisionInfo(self, request, context):  # noqa: N802  (the service's name)
        if ("worker_id", "7-1") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.NOT_FOUND, "no such worker")
        options = struct_pb2.Struct()
        options["beam:option:parallelism:v1"] = "2"
        info = beam_provision_api_pb2.ProvisionInfo(
            control_endpoint=endpoints_pb2.ApiServiceDescriptor(url="there:1"),
            logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url="there:2"),
            pipeline_options=options,
            runner_capabilities=["one", "two"],
        )
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=info)


@contextlib.contextmanager
def served():
    server = grpc.server(futures.ThreadPoolExecutor(1))
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(Provision(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"--provision_endpoint=127.0.0.1:{port}"
    finally:
        server.stop(None)


@pytest.fixture(autouse=True)
def found(monkeypatch):
    """The environment in which Beam's worker would begin."""
    found = {}
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(sdk_worker_main, "main", lambda _: found.update(os.environ))
    return found


def test_what_the_runner_says_is_what_beams_worker_finds(found):
    with served() as endpoint:
        main(["--id=7-1", endpoint, "--semi_persist_dir=/tmp"])
    assert found["WORKER_ID"] == "7-1"
    assert json.loads(found["PIPELINE_OPTIONS"]) == {"beam:option:parallelism:v1": "2"}
    assert found["RUNNER_CAPABILITIES"].split() == ["one", "two"]
    for name, url in (("CONTROL", "there:1"), ("LOGGING", "there:2")):
        described = endpoints_pb2.ApiServiceDescriptor()
        text_format.Merge(found[f"{name}_API_SERVICE_DESCRIPTOR"], described)
        assert described.url == url


def test_a_runner_that_knows_no_such_worker_ends_it(found):
    with served() as endpoint, pytest.raises(grpc.RpcError, match="no such worker"):
        main(["--id=8-1", endpoint])
    assert found == {}
