"""The verb `serve`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.system.quiet import import_tensorflow
from serving.server.options import ServerOptions

if TYPE_CHECKING:
    from serving.server.run import Server


# What is served.
_Path = Annotated[
    Path | None,
    typer.Argument(metavar="[RUN]", help="Folder of a run, of its exports, or one version."),
]
_ModelsConfig = Annotated[
    Path | None,
    typer.Option("--models-config", help="TensorFlow Serving's models.config, for several."),
]
_Name = Annotated[
    str | None, typer.Option("--name", help="Of the model (default: that of the folder).")
]
_PollSeconds = Annotated[
    float, typer.Option("--poll-seconds", help="Between looks for new versions.")
]
_AllowReload = Annotated[
    bool, typer.Option("--allow-reload", help="Let gRPC clients reload models of a folder.")
]
_Batching = Annotated[
    bool, typer.Option("--batching", help="Merge small requests that come together.")
]
# Where, and to whom.
_Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
_GrpcPort = Annotated[int, typer.Option("--grpc-port", help="0: a free one.")]
_RestPort = Annotated[int, typer.Option("--rest-port", help="0: a free one.")]
_AllowHosts = Annotated[
    list[str],
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Name that REST is asked by, beside localhost; may be repeated.",
    ),
]
_TlsCert = Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM.")]
_TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.")]
_TlsClientCa = Annotated[
    Path | None, typer.Option("--tls-client-ca", help="Who signs clients' certificates, PEM.")
]
# How much.
_MaxBatch = Annotated[int, typer.Option("--max-batch", help="Most rows a request.")]
_MaxMessageMb = Annotated[int, typer.Option("--max-message-mb", help="Largest request, in MiB.")]
_MaxConcurrency = Annotated[
    int, typer.Option("--max-concurrency", help="Most requests answered or waiting at a time.")
]
_MaxConnections = Annotated[
    int, typer.Option("--max-connections", help="Most that are open, on each port.")
]


def serve(
    path: _Path = None,
    models_config: _ModelsConfig = None,
    name: _Name = None,
    host: _Host = ServerOptions.host,
    grpc_port: _GrpcPort = ServerOptions.grpc_port,
    rest_port: _RestPort = ServerOptions.rest_port,
    poll_seconds: _PollSeconds = ServerOptions.poll_seconds,
    max_batch: _MaxBatch = ServerOptions.max_batch,
    max_message_mb: _MaxMessageMb = ServerOptions.max_message_mb,
    max_concurrency: _MaxConcurrency = ServerOptions.max_concurrency,
    max_connections: _MaxConnections = ServerOptions.max_connections,
    # typer makes a list of it
    allow_hosts: _AllowHosts = ServerOptions.allow_hosts,  # type: ignore[assignment]
    allow_reload: _AllowReload = False,
    batching: _Batching = ServerOptions.batching,
    tls_cert: _TlsCert = None,
    tls_key: _TlsKey = None,
    tls_client_ca: _TlsClientCa = None,
) -> None:
    """Serves exports on this machine as TensorFlow Serving would: gRPC, REST, and a page."""
    # A port that is taken is told in our own sentence; gRPC would write its own before it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import_tensorflow()
    from serving.server.run import serve as run_server

    options = ServerOptions(
        path=path,
        models_config=models_config,
        name=name,
        host=host,
        grpc_port=grpc_port,
        rest_port=rest_port,
        poll_seconds=poll_seconds,
        max_batch=max_batch,
        max_message_mb=max_message_mb,
        max_concurrency=max_concurrency,
        max_connections=max_connections,
        allow_hosts=tuple(allow_hosts),
        allow_reload=allow_reload,
        batching=batching,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
    )
    run_server(options, lambda server: _announce(server, options.host, tls_cert is not None))


def _announce(server: "Server", host: str, tls: bool) -> None:
    from pipeline.system.console import console, say

    at = f"[{host}]" if ":" in host else host
    for name in server.manager.names():
        versions = ", ".join(map(str, server.manager.available(name))) or "none yet"
        say("model", f"{name}, version {versions}")
    say("grpc", f"{at}:{server.grpc_port}")
    say("rest", f"{'https' if tls else 'http'}://{at}:{server.rest_port}/")
    console.file.flush()
