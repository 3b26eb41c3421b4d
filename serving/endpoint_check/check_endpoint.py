"""Compares an endpoint with an export: every signature, over gRPC and REST.

The same check for the local server and for `tensorflow_model_server`: it knows nothing of a server
but the API.
"""

from collections.abc import Iterator

from serving.client.client import Client
from serving.client.connection import Tls
from serving.client.export_folder import ExportFolder
from serving.client.rest import Rest
from serving.endpoint_check.checking import Finding, run
from serving.endpoint_check.grpc_checks import grpc_checks
from serving.endpoint_check.reference import Reference
from serving.endpoint_check.rest_checks import rest_checks


def check_endpoint(
    export: ExportFolder,
    target: str,
    model: str,
    *,
    rest: str | None = None,
    tls: Tls | None = None,
    timeout: float = 60.0,
) -> Iterator[Finding]:
    """Asks everything that an export answers, and some things that must be refused.

    Args:
        export: The export that the endpoint should serve.
        target: HOST:PORT of gRPC.
        model: Name of the model there.
        rest: HOST:PORT of REST; not asked where it is None.
        tls: Certificates, for both; without encryption where it is None.
        timeout: Seconds for each question.

    Yields:
        What was found, as it is found.

    Raises:
        ExportError: The export cannot be loaded.
    """
    reference = Reference(export)
    with Client(target, model, timeout=timeout, tls=tls) as client:
        yield from run("grpc", grpc_checks(client, reference))
    if rest is not None:
        yield from run("rest", rest_checks(Rest(rest, model, timeout, tls), reference))
