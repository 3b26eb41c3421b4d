"""The files with which TensorFlow Serving serves an export: its own, Docker's and Kubernetes'."""

import hashlib
import json
import logging
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from textwrap import indent

from features.errors import ConfigError
from features.publish import publish
from serving.deploy.deployment import Deployment
from serving.deploy.requests_script import functions, questions
from serving.deploy.text_protos import check_batching, check_models, check_monitoring
from serving.export_format import names

_EXECUTABLE = "request.sh"

_log = logging.getLogger(__name__)


def render(deployment: Deployment, folder: Path) -> dict[str, str]:
    """Name -> content of every file.

    Args:
        deployment: What is served.
        folder: Where the files will lie: Docker finds the export from there.

    Raises:
        ExportError: The export lacks what is said of it.
    """
    protos = _protos(deployment)
    return {
        **protos,
        "docker-compose.yml": _docker(deployment, folder),
        "kubernetes.yaml": _kubernetes(deployment, protos),
        _EXECUTABLE: _request_script(deployment),
    }


def _docker(deployment: Deployment, folder: Path) -> str:
    source = os.path.relpath(os.path.realpath(deployment.export.base), os.path.realpath(folder))
    health = (
        "exec 3<>/dev/tcp/127.0.0.1/8501 && "
        f"printf 'GET /v1/models/{deployment.model} HTTP/1.0\\r\\n\\r\\n' >&3 && "
        "grep -q '\"AVAILABLE\"' <&3"
    )
    return _fill(
        "docker-compose.yml",
        image=_compose(deployment.image),
        flags="\n".join(f"      - {json.dumps(flag)}" for flag in deployment.flags),
        source=_compose(source if source.startswith(".") else f"./{source}"),
        target=_compose(deployment.base_path),
        health=_compose(health),
    )


def _kubernetes(deployment: Deployment, protos: Mapping[str, str]) -> str:
    digest = hashlib.sha256("".join(protos.values()).encode()).hexdigest()[:16]
    config_map = {
        name.replace(".", "_"): indent(text.rstrip("\n"), "    ") for name, text in protos.items()
    }
    return _fill(
        "kubernetes.yaml",
        **config_map,
        resource=deployment.resource,
        claim=f"{deployment.resource}-models",
        name_plain=deployment.model,
        storage=f"{max(1, -(-10 * deployment.export.size() // (1 << 30)))}Gi",
        digest=json.dumps(digest),
        image=json.dumps(deployment.image),
        flags="\n".join(f"            - {json.dumps(flag)}" for flag in deployment.flags),
        status_path=json.dumps(f"/v1/models/{deployment.model}"),
        cores=deployment.cores,
        memory=f"{deployment.memory_mib()}Mi",
    )


def _request_script(deployment: Deployment) -> str:
    requests = questions(deployment.export)
    return _fill(
        _EXECUTABLE,
        name_shell=shlex.quote(deployment.model),
        functions=functions(requests),
        questions=" ".join(("status", "metadata", *requests)),
        choices=" | ".join(("status", "metadata", *requests)),
    )


def _protos(deployment: Deployment) -> dict[str, str]:
    """The server's own files, checked as it will read them."""
    sizes = deployment.export.warm_up_sizes()
    state = "Batching is off: the flag is not given."
    if deployment.batching:
        state = "Batching is on."
        if names.RANK in deployment.export.signatures:
            state += " So this server refuses `rank`, which the export has."
            _log.warning("with batching the server refuses `rank`, which the export has")
    texts = {
        "models.config": _fill(
            "models.config",
            name=json.dumps(deployment.model),
            base_path=json.dumps(deployment.base_path),
        ),
        "batching.config": _fill(
            "batching.config",
            state=state,
            max_batch_size=sizes[-1],
            allowed_batch_sizes="\n".join(f"allowed_batch_sizes: {size}" for size in sizes),
            cores=deployment.cores,
        ),
        "monitoring.config": _fill("monitoring.config"),
    }
    check_models(texts["models.config"])
    check_batching(texts["batching.config"])
    check_monitoring(texts["monitoring.config"])
    return texts


def _fill(file: str, /, **values: object) -> str:
    template = files("serving.deploy").joinpath("templates").joinpath(file).read_text("utf-8")
    return Template(template).substitute(values)


def _compose(text: str) -> str:
    """Text as YAML for Docker Compose, which takes $ for the beginning of a variable."""
    return json.dumps(text.replace("$", "$$"))


def write_folder(deployment: Deployment, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Writes the files: all of them, or where one cannot be made or written, none.

    Args:
        deployment: What is served.
        folder: Where to write; made where it does not exist.
        overwrite: Replace files of the same names; others in the folder stay.

    Returns:
        Their paths.

    Raises:
        ConfigError: Files are there already, or the folder cannot be written.
        ExportError: The export lacks what is said of it.
    """
    texts = render(deployment, folder)
    present = [name for name in texts if os.path.lexists(folder / name)]
    if present and not overwrite:
        raise ConfigError(
            f"{folder} has {', '.join(present)} already. Give another folder, or --overwrite to "
            "replace them."
        )
    beside = folder.absolute().parent / f".{folder.absolute().name}.{secrets.token_hex(8)}"
    try:
        beside.mkdir(parents=True)
        for name, text in texts.items():
            path = beside / name
            path.write_text(text, "utf-8")
            path.chmod(0o755 if name == _EXECUTABLE else 0o644)
        folder.mkdir(parents=True, exist_ok=True)
        for name in texts:
            publish(beside / name, folder / name)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror or error}. Give another folder."
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [folder / name for name in texts]
