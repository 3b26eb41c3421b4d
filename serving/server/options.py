"""What `serve` can be told, checked before anything is loaded."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from features.errors import ConfigError

LARGEST_PORT = 65_535
LARGEST_LIMIT = 1_000_000  # of rows, requests, connections or seconds
LARGEST_MESSAGE_MB = 1024  # a protocol buffer may have 2 GiB; a request is held several times


@dataclass(frozen=True)
class ServerOptions:
    """Settings of a server.

    Attributes:
        path: Folder of a run, of exports, or a version; None with `models_config`.
        models_config: TensorFlow Serving's models.config, in place of `path`.
        name: What the model of `path` is called; None for the name of its folder.
        host: Address to listen on. Every machine that reaches it can ask the models.
        grpc_port: 0 for a free one.
        rest_port: 0 for a free one.
        poll_seconds: How often the folders are looked at for new versions.
        max_batch: Most rows of a request.
        max_message_mb: Size of the largest request, in MiB.
        max_concurrency: Most requests that are answered or wait at a time.
        batching: Merge small requests that come together.
        tls_cert: Certificate chain (PEM), for both ports.
        tls_key: Private key of the certificate (PEM).
        tls_client_ca: Certificates (PEM) of who may sign clients' certificates; given, a client
            without one is refused.
        max_connections: Most connections that are open at a time, on each of the two ports.
        allow_hosts: Names by which the REST port may be asked, beside those of this machine. On
            an address that only this machine reaches, others are refused; elsewhere any is taken
            where none is given.
        allow_reload: Let clients of gRPC choose names and versions of the models, as with a
            models.config.
        grace_seconds: How long running requests may go on when the server stops.
        body_seconds: How long the body of a REST request may take to arrive.
    """

    path: Path | None = None
    models_config: Path | None = None
    name: str | None = None
    host: str = "127.0.0.1"
    grpc_port: int = 8500
    rest_port: int = 8501
    poll_seconds: float = 2.0
    max_batch: int = 10_000
    max_message_mb: int = 16
    max_concurrency: int = 128
    batching: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    max_connections: int = 1000
    allow_hosts: tuple[str, ...] = ()
    allow_reload: bool = False
    grace_seconds: float = 30.0
    body_seconds: float = 30.0

    def __post_init__(self) -> None:
        if (self.path is None) == (self.models_config is None):
            raise ConfigError(
                "serve takes either the folder of a run or --models-config. Give one of them."
            )
        if self.name is not None and self.path is None:
            raise ConfigError("--name is for a single folder. Name models in the models.config.")
        for flag, port in (("--grpc-port", self.grpc_port), ("--rest-port", self.rest_port)):
            if not 0 <= port <= LARGEST_PORT:
                raise ConfigError(
                    f"{flag} is {port}, expected 1 to {LARGEST_PORT:,}, or 0 for a free one."
                )
        if self.grpc_port == self.rest_port != 0:
            raise ConfigError(
                f"--grpc-port and --rest-port are both {self.grpc_port}. Give two ports."
            )
        limits = {
            "--poll-seconds": self.poll_seconds,
            "--max-batch": self.max_batch,
            "--max-message-mb": self.max_message_mb,
            "--max-concurrency": self.max_concurrency,
            "--max-connections": self.max_connections,
        }
        for flag, value in limits.items():
            if not 0 < value <= LARGEST_LIMIT:
                raise ConfigError(
                    f"{flag} is {value}, expected more than 0 and at most {LARGEST_LIMIT:,}."
                )
        if self.max_message_mb > LARGEST_MESSAGE_MB:
            raise ConfigError(
                f"--max-message-mb is {self.max_message_mb:,}, expected at most "
                f"{LARGEST_MESSAGE_MB:,}. Send large files in several requests."
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key belong together. Give both or neither.")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ConfigError("--tls-client-ca needs --tls-cert and --tls-key. Give them too.")

    @property
    def max_message_bytes(self) -> int:
        return self.max_message_mb << 20

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS of the REST port; None without a certificate.

        Raises:
            ConfigError: A file cannot be read, is none of these, or does not fit the others.
        """
        if self.tls_cert is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # A key with a password would otherwise be asked for in the terminal.
            context.load_cert_chain(self.tls_cert, self.tls_key, password=_no_password)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise ConfigError(
                f"--tls-cert {self.tls_cert} and --tls-key {self.tls_key} cannot be used: "
                f"{_reason(error)}. Give a certificate chain and its key, both PEM, no password."
            ) from None
        if self.tls_client_ca is not None:
            try:
                context.load_verify_locations(self.tls_client_ca)
            except OSError as error:
                raise ConfigError(
                    f"--tls-client-ca {self.tls_client_ca} cannot be used: {_reason(error)}. "
                    "Give certificates in PEM."
                ) from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
