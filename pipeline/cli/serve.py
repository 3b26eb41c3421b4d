"""The verb `serve`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.system.quiet import import_tensorflow
from serving.server.options import ServerOptions

if TYPE_CHECKING:
    from serving.server.run import Server


def serve(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Folder of a run, of its exports, or one version."),
    ] = None,
    models_config: Annotated[
        Path | None,
        typer.Option("--models-config", help="TensorFlow Serving's models.config, for several."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the model (default: that of the folder).")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = ServerOptions.host,
    grpc_port: Annotated[
        int, typer.Option("--grpc-port", help="0: a free one.")
    ] = ServerOptions.grpc_port,
    rest_port: Annotated[
        int, typer.Option("--rest-port", help="0: a free one.")
    ] = ServerOptions.rest_port,
    poll_seconds: Annotated[
        float, typer.Option("--poll-seconds", help="Between looks for new versions.")
    ] = ServerOptions.poll_seconds,
    max_batch: Annotated[
        int, typer.Option("--max-batch", help="Most rows a request.")
    ] = ServerOptions.max_batch,
    max_message_mb: Annotated[
        int, typer.Option("--max-message-mb", help="Largest request, in MiB.")
    ] = ServerOptions.max_message_mb,
    max_concurrency: Annotated[
        int, typer.Option("--max-concurrency", help="Most requests answered or waiting at a time.")
    ] = ServerOptions.max_concurrency,
    max_connections: Annotated[
        int, typer.Option("--max-connections", help="Most that are open, on each port.")
    ] = ServerOptions.max_connections,
    allow_hosts: Annotated[
        list[str],
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Name that REST is asked by, beside localhost; may be repeated.",
        ),
    ] = ServerOptions.allow_hosts,  # type: ignore[assignment]  # typer makes a list of it
    allow_reload: Annotated[
        bool, typer.Option("--allow-reload", help="Let gRPC clients reload models of a folder.")
    ] = False,
    batching: Annotated[
        bool, typer.Option("--batching", help="Merge small requests that come together.")
    ] = ServerOptions.batching,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option("--tls-client-ca", help="Who signs clients' certificates, PEM.")
    ] = None,
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
