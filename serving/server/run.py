"""The server: models, gRPC and REST, from the first port to the last answer."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

import grpc
from grpc_health.v1 import health_pb2

from features.errors import ConfigError
from serving.server.core.background import set_aside_what_is_there
from serving.server.core.batching import BatchingOptions
from serving.server.core.descriptors import most_connections, raise_limit
from serving.server.http.arriving_bodies import ArrivingBodies
from serving.server.http.rest_api import RestApi
from serving.server.http.rest_server import RestServer
from serving.server.lifecycle.manager import ModelManager
from serving.server.lifecycle.models_config import from_folder, read_config
from serving.server.options import ServerOptions
from serving.server.page import page
from serving.server.requests.handlers import Handlers
from serving.server.requests.input_metrics import InputMetrics
from serving.server.requests.input_watch import InputWatch
from serving.server.requests.prometheus import Metrics
from serving.server.rpc.grpc_api import MODEL_SERVICE, PREDICTION_SERVICE, GrpcApi
from serving.server.rpc.grpc_server import end_grpc, start_grpc
from serving.server.rpc.health import Health

_HEALTH_SECONDS = 0.5  # how often the health of gRPC follows that of the models
_SERVICES = ("", PREDICTION_SERVICE, MODEL_SERVICE)
# As many as can compute: with one more, 8 clients got a quarter less, fighting for the GIL.
_THREADS = max(2, os.cpu_count() or 1)

_log = logging.getLogger(__name__)


class Server:
    """Serves models over gRPC and REST while the `with` block runs.

    Example:
        >>> with Server(ServerOptions(Path("runs/a1"), grpc_port=0, rest_port=0)) as server:
        ...     print(server.grpc_port, server.rest_port)

    Args:
        options: What to serve, where, and within which limits.

    Attributes:
        grpc_port: The port of gRPC, after `start`.
        rest_port: The port of REST and the page, after `start`.
        manager: The models.

    Raises:
        ConfigError: The options name no model, or no certificate.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._tls = options.ssl_context()
        if options.models_config is not None:
            models = read_config(options.models_config)
        else:
            assert options.path is not None  # `ServerOptions` has one of the two
            models = (from_folder(options.path, options.name),)
        reloads = options.models_config is not None or options.allow_reload
        self._base_paths = (
            frozenset(each.base_path.resolve() for each in models) if reloads else frozenset()
        )
        self.manager = ModelManager(
            models,
            poll_seconds=options.poll_seconds,
            max_batch=options.max_batch,
            max_concurrency=options.max_concurrency,
            batching=BatchingOptions() if options.batching else None,
        )
        self.grpc_port, self.rest_port = options.grpc_port, options.rest_port
        self._stopping = threading.Event()
        self._undo: list[Callable[[], object]] = []  # what `stop` does, last first

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def ready(self) -> bool:
        """Whether every model answers, and the server is not about to stop."""
        return self.manager.ready and not self._stopping.is_set()

    def start(self) -> None:
        """Opens the ports, then loads and warms up the models. Returns when they answer.

        Raises:
            ConfigError: A port cannot be had, or no model can be served.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Says NOT_SERVING, takes no more requests, and ends when those that run are answered,
        or after the grace period. Nothing happens the second time.
        """
        self._stopping.set()
        while self._undo:
            self._undo.pop()()

    def _start(self) -> None:
        options, metrics = self._options, Metrics()
        # A request that waits to be merged keeps its thread.
        threads = options.max_concurrency if options.batching else _THREADS
        metrics.add_collector(InputMetrics(self.manager))
        watch = InputWatch()
        self._undo.append(watch.close)
        handlers = Handlers(self.manager, metrics, watch)
        grace = options.grace_seconds
        rest, rest_api = self._rest(handlers, metrics, threads)
        self._undo.append(lambda: self.manager.stop(grace))
        self._undo.append(rest_api.close)
        servicer = Health()
        self._set_health(servicer)
        server, self.grpc_port = start_grpc(
            GrpcApi(handlers, metrics, options.max_message_bytes, self._base_paths),
            servicer,
            self._listen,
            threads=threads,
            max_concurrency=options.max_concurrency,
            max_message_bytes=options.max_message_bytes,
            most_connections=most_connections(options.max_connections),
        )
        self._undo.append(lambda: end_grpc(server, servicer, grace))
        try:
            self.rest_port = rest.start()
        except OSError as error:
            raise _no_port("--rest-port", options.host, options.rest_port, error) from None
        finally:
            self._undo.append(rest.stop)
        self._undo.append(lambda: server.stop(grace))  # both refuse first, then both wait
        self.manager.start()
        self._check_models()
        self._undo.append(servicer.enter_graceful_shutdown)
        follow = threading.Thread(target=self._follow_health, args=(servicer,), daemon=True)
        self._set_health(servicer)
        follow.start()
        self._undo.append(follow.join)

    def _rest(
        self, handlers: Handlers, metrics: Metrics, threads: int
    ) -> tuple[RestServer, RestApi]:
        """The server of REST and the page, not yet started, and what answers behind it."""
        options = self._options
        most_bytes = options.max_concurrency * options.max_message_bytes
        bodies = ArrivingBodies(most_bytes, options.max_message_bytes, options.body_seconds)
        rest_api = RestApi(
            handlers,
            metrics,
            threads=threads,
            max_concurrency=options.max_concurrency,
            bodies=bodies,
            is_ready=lambda: self.ready,
        )
        rest = RestServer(
            [*rest_api.routes(), *page.routes(self.manager, bodies)],
            options.host,
            options.rest_port,
            self._tls,
            options.max_message_bytes,
            options.grace_seconds,
            most_connections(options.max_connections),
            options.allow_hosts if options.loopback or options.allow_hosts else None,
        )
        return rest, rest_api

    def _listen(self, server: grpc.Server) -> int:
        options = self._options
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"{host}:{options.grpc_port}"
        try:
            if self._tls is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, _credentials(options))
        except RuntimeError as error:
            raise _no_port("--grpc-port", options.host, options.grpc_port, error) from None
        return port

    def _check_models(self) -> None:
        """Refuses to start where a single folder cannot be served; of several models some may
        come later.
        """
        names = self.manager.names()
        if any(self.manager.available(name) for name in names):
            return
        reasons = [
            f"{name}: version {each.version}: {each.message}"
            for name in names
            for each in self.manager.status(name)
        ]
        raise ConfigError(
            "no model can be served. "
            + ("; ".join(reasons) or f"No version found for {', '.join(names)}")
            + ". Export again: python -m pipeline export RUN"
        )

    def _set_health(self, servicer: Health) -> None:
        status = health_pb2.HealthCheckResponse
        for service in _SERVICES:
            servicer.set(service, status.SERVING if self.ready else status.NOT_SERVING)

    def _follow_health(self, servicer: Health) -> None:
        before = self.ready
        while not self._stopping.wait(_HEALTH_SECONDS):
            if self.ready != before:
                before = self.ready
                self._set_health(servicer)


def serve(options: ServerOptions, announce: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        options: What to serve.
        announce: Called when the models answer.

    Raises:
        ConfigError: The server cannot start.
    """
    if not options.loopback and options.tls_cert is None:
        _log.warning(
            "%s is reached by other machines, and nothing is encrypted: give --tls-cert and "
            "--tls-key, or --host 127.0.0.1",
            options.host,
        )
    raise_limit()
    set_aside_what_is_there()
    stop_asked = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, _: FrameType | None) -> None:
        _log.info("%s: finishing what runs", signal.Signals(number).name)
        restore()
        stop_asked.set()

    for number in before:
        signal.signal(number, ask)
    try:
        with Server(options) as server:
            announce(server)
            stop_asked.wait()
    finally:
        restore()


def _credentials(options: ServerOptions) -> grpc.ServerCredentials:
    """gRPC's TLS, of files that the SSL context has checked."""
    assert options.tls_cert is not None
    assert options.tls_key is not None
    clients = options.tls_client_ca
    return grpc.ssl_server_credentials(
        [(options.tls_key.read_bytes(), options.tls_cert.read_bytes())],
        root_certificates=None if clients is None else clients.read_bytes(),
        require_client_auth=clients is not None,
    )


def _no_port(flag: str, host: str, port: int, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or "it is taken, or not an address of this machine"
    return ConfigError(
        f"cannot listen on {host}:{port} ({flag}): {reason}. Give another port, or 0 for a free "
        "one."
    )
