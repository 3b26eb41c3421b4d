"""The verbs `serving-config` and `check-endpoint`: TensorFlow Serving's files, and endpoints."""

import re
from pathlib import Path
from typing import Annotated

import typer

from features.errors import ConfigError

# A name, IPv4 or [IPv6], and a port.
_ADDRESS = re.compile(r"([^\s:/\[\]]+|\[[^\s/\[\]]+\]):[0-9]{1,5}")

Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Folder of a run, of its exports, or one version."),
]
Name = Annotated[
    str | None, typer.Option("--name", help="Of the model (default: that of the folder).")
]


def serving_config(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    model: Name = None,
    image: Annotated[
        str | None, typer.Option("--image", help="Container image (default: a fixed version).")
    ] = None,
    batching: Annotated[
        bool, typer.Option("--batching", help="Merge requests; not with `rank`.")
    ] = False,
    cores: Annotated[int, typer.Option("--cores", help="CPU cores for each server.")] = 4,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the files of an earlier call.")
    ] = False,
) -> None:
    """Writes what TensorFlow Serving needs to serve an export: its files, Docker's, Kubernetes'."""
    from pipeline.system.console import say
    from serving.client.export_folder import open_export
    from serving.deploy.deployment import Deployment
    from serving.deploy.generate import write_folder

    deployment = Deployment.of(open_export(run), model, image=image, batching=batching, cores=cores)
    for path in write_folder(deployment, out, overwrite=overwrite):
        say("wrote", str(path))


def check_endpoint(
    target: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Of gRPC.")],
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="What it should serve: a run or an export.")
    ],
    rest: Annotated[
        str | None, typer.Option("--rest", metavar="HOST:PORT", help="Of REST.")
    ] = None,
    model: Name = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for each question.")] = 60.0,
    tls_ca: Annotated[
        Path | None, typer.Option("--tls-ca", help="Speak TLS; who signed its certificate, PEM.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="The client's certificate, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.")] = None,
) -> None:
    """Compares an endpoint, local or TensorFlow Serving's, with an export: every signature."""
    from pipeline.system.console import console, say
    from pipeline.system.quiet import import_tensorflow
    from serving.client.connection import LONGEST_TIMEOUT, Tls
    from serving.client.export_folder import open_export

    _check_address("HOST:PORT", target)
    if rest is not None:
        _check_address("--rest", rest)
    if not 0.0 < timeout <= LONGEST_TIMEOUT:
        raise ConfigError(
            f"--timeout is {timeout}, expected more than 0 and at most {LONGEST_TIMEOUT:,.0f} "
            "seconds. Correct it."
        )
    if tls_ca is None and (tls_cert is not None or tls_key is not None):
        raise ConfigError("--tls-cert and --tls-key are for TLS. Give --tls-ca too.")
    tls = None if tls_ca is None else Tls(tls_ca, tls_cert, tls_key)
    opened = open_export(export)
    import_tensorflow()
    from serving.endpoint_check.check_endpoint import check_endpoint as findings_of

    bad = asked = 0
    for finding in findings_of(
        opened, target, model or opened.model_name, rest=rest, tls=tls, timeout=timeout
    ):
        asked += 1
        bad += not finding.good
        say("ok" if finding.good else "DIFFERS", f"{finding.name}: {finding.detail}")
        console.file.flush()
    if bad:
        say("result", f"{bad} of {asked} answers are not those of {opened.version}")
        raise typer.Exit(1)
    say("result", f"{asked} answers are those of {opened.version}")


def _check_address(flag: str, address: str) -> None:
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(
            f"{flag} is {address!r}, expected a host and a port such as 127.0.0.1:8500, "
            "without http://. Correct it."
        )
