"""A worker of Beam's as a process: the command that `--environment_type=PROCESS` starts.

Beam's images have a program of its own for this, its Python package has none. This one takes the
job's code from where it is installed, so it fetches none.
"""

import argparse
import os
from collections.abc import Sequence

import grpc
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
)
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format


def main(arguments: Sequence[str] | None = None) -> None:
    """Works for the runner that started this process, until that lets it go.

    Args:
        arguments: `--id=WORKER --provision_endpoint=HOST:PORT`, and others that are not needed.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    known, _ = parser.parse_known_args(arguments)
    os.environ.update(_environment(known.id, known.provision_endpoint))
    sdk_worker_main.main([])


def _environment(worker: str, endpoint: str) -> dict[str, str]:
    """What the runner says of the job, in the variables that Beam's worker reads."""
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        info = service.GetProvisionInfo(request, metadata=[("worker_id", worker)]).info
    return {
        "WORKER_ID": worker,
        "CONTROL_API_SERVICE_DESCRIPTOR": str(info.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": str(info.logging_endpoint),
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


if __name__ == "__main__":
    main()
