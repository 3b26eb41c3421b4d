"""The Java process that Beam's Flink and Spark runners need: its jar, its start, its end."""

import collections
import contextlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import grpc
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
)
from apache_beam.runners.portability.job_server import JobServer
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineRunner

from features.errors import ConfigError
from pipeline.data.sources.fetch import cache_folder

log = logging.getLogger(__name__)
_OPTIONS = {"FlinkRunner": FlinkRunnerOptions, "SparkRunner": SparkRunnerOptions}
_LINES_KEPT = 200
_MANAGED = "1g"
_WRONG = re.compile("invalid|error|exception", re.IGNORECASE)


def flink_jar() -> Path:
    """Where `make flink-server` puts the job server."""
    return cache_folder() / "flink" / "flink-job-server.jar"


def prepare(runner: str, options: PipelineOptions) -> None:
    """Checks what the Java process of a runner needs, and fills in what the user left open.

    Does nothing for runners that start none, or where `--job_endpoint` names one that runs.
    Without `--flink_job_server_jar` the one of `make flink-server` is used, if it is there;
    otherwise Beam fetches its own.

    Raises:
        ConfigError: There is no such Java or no such jar.
    """
    if runner not in _OPTIONS or options.view_as(PortableOptions).job_endpoint:
        return
    own, prefix = options.view_as(_OPTIONS[runner]), runner.removesuffix("Runner").lower()
    jar = getattr(own, f"{prefix}_job_server_jar")
    if jar is None and runner == "FlinkRunner" and flink_jar().is_file():
        own.flink_job_server_jar = str(flink_jar())
        log.info("Flink job server: %s", flink_jar())
    elif jar is not None and not urlparse(jar).scheme and not os.path.isfile(jar):
        remedy = "make flink-server builds one" if runner == "FlinkRunner" else "Give a file or URL"
        raise ConfigError(
            f"data.runner={runner} could not start: --{prefix}_job_server_jar={jar} is no file. "
            f"{remedy}; without the option Beam downloads its own."
        )
    if runner == "FlinkRunner":
        _give_memory()
    if not getattr(own, f"{prefix}_submit_uber_jar"):  # that one leaves Java to the cluster
        _prepare_java(runner, options.view_as(JobServerOptions))


def _give_memory() -> None:
    """Lets the embedded Flink sort blocks of rows; its 128 MB are too few for some blocks."""
    if "FLINK_CONF_DIR" in os.environ:
        return
    folder = cache_folder() / "flink-conf"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(f"taskmanager.memory.managed.size: {_MANAGED}\n")
    os.environ["FLINK_CONF_DIR"] = str(folder)


def _prepare_java(runner: str, options: JobServerOptions) -> None:
    java = options.job_server_java_launcher
    if shutil.which(java) is None:
        raise ConfigError(
            f"data.runner={runner} could not start: it needs Java 11 or newer, and {java!r} is not "
            "found. Install it, or name it: --job_server_java_launcher=/path/to/java"
        )
    # A thread that runs out of memory would end alone, and the job wait for it for ever.
    properties = ["-XX:+ExitOnOutOfMemoryError", *options.job_server_jvm_properties]
    if shutil.which("setpriv"):
        # The kernel ends the server with this process, also where that is killed.
        properties = ["--pdeathsig", "TERM", java, *properties]
        options.job_server_java_launcher = "setpriv"
    options.job_server_jvm_properties = properties


class ServerOutput(logging.Handler):
    """The last lines that a job server wrote, in place of all of them on the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    @property
    def complaint(self) -> str:
        """The first line that tells of something wrong, or ""."""
        return next((line.strip() for line in self._lines if _WRONG.search(line)), "")


@contextlib.contextmanager
def ended_with_the_job(runner: PipelineRunner) -> Iterator[ServerOutput]:
    """Ends, on exit, the job server that a portable runner starts meanwhile; Beam would at exit.

    Yields:
        What the server wrote.
    """
    output = ServerOutput()
    if not isinstance(runner, PortableRunner):
        yield output
        return
    # Beam warns of the start and the end of the process, and of streams that end with it.
    for name in ("utils.subprocess_server", "runners.worker"):
        logging.getLogger(f"apache_beam.{name}").setLevel(logging.CRITICAL)
    of_server = logging.getLogger(type(runner).__name__.replace("Runner", "JarJobServer"))
    of_server.setLevel(logging.INFO)
    of_server.propagate = False
    of_server.addHandler(output)
    start, servers = runner.default_job_server, []
    hook = threading.excepthook
    # A worker's streams break when the server lets go of them; a bundle that suffers fails itself.
    threading.excepthook = lambda args: isinstance(args.exc_value, grpc.RpcError) or hook(args)

    def start_and_note(options: PipelineOptions) -> JobServer:
        servers.append(start(options))
        return servers[-1]

    runner.default_job_server = start_and_note  # type: ignore[method-assign]
    try:
        yield output
    finally:
        runner.default_job_server = start  # type: ignore[method-assign]
        for server in servers:
            server.stop()
        of_server.removeHandler(output)
        threading.excepthook = hook
