"""Calls with a deadline, repeated within it while the server is unavailable or too busy."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

import grpc

from features.errors import DataError, UserError
from serving.client.protos import ProtoMessage, rpc

_RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
LONGEST_TIMEOUT = 86_400.0  # seconds


class EndpointError(UserError):
    """A call that had no answer, or was refused; `code` is gRPC's, such as "NOT_FOUND"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Retries:
    """How often, and after which waits, a call is repeated.

    The bound of the waits doubles; each is drawn between 0 and its bound, so that clients that
    failed together do not come back together.

    Args:
        attempts: Calls at most, the first one included; 1 for none after it.
        first_seconds: Bound of the first wait.
        longest_seconds: Bound of any wait.
    """

    attempts: int = 5
    first_seconds: float = 0.05
    longest_seconds: float = 2.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after an attempt, counted from 1."""
        bound = self.first_seconds * 2.0 ** min(attempt - 1, 60)
        return random.uniform(0.0, min(self.longest_seconds, bound))


@dataclass(frozen=True)
class Tls:
    """Certificates, as files in PEM.

    Args:
        ca: Certificates of who signed the server's; None for those that gRPC brings.
        cert: The client's own, where the server asks for one.
        key: The client's private key.
    """

    ca: str | Path | None = None
    cert: str | Path | None = None
    key: str | Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What a channel takes.

        Raises:
            DataError: A file that cannot be read, or a certificate without its key.
        """
        if (self.cert is None) != (self.key is None):
            raise DataError(
                "a client's certificate and its private key belong together. Give both or none."
            )
        return grpc.ssl_channel_credentials(*map(_content, (self.ca, self.key, self.cert)))


class Connection:
    """A channel to one server; may be used by several threads.

    Args:
        target: HOST:PORT, or any other name that gRPC resolves.
        timeout: Seconds that a call may take where it does not say otherwise.
        retries: How calls are repeated.
        tls: Certificates; without encryption where it is None.
        max_message_bytes: Largest answer that is taken.
    """

    def __init__(
        self, target: str, timeout: float, retries: Retries, tls: Tls | None, max_message_bytes: int
    ) -> None:
        self.target = target
        self._timeout, self._retries = timeout, retries
        options = [
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_retries", 0),  # they are done here, where they are counted
            # gRPC's own would keep a channel closed for up to two minutes after a restart.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if tls is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, tls.credentials(), options)

    def close(self) -> None:
        """Cancels what runs."""
        self._channel.close()

    def deadline(self, timeout: float | None) -> float:
        """When a call that begins now has to be over, by `time.monotonic`.

        Raises:
            DataError: A timeout that is not a number of seconds above 0.
        """
        seconds = self._timeout if timeout is None else timeout
        if not 0.0 < seconds <= LONGEST_TIMEOUT:
            raise DataError(
                f"a timeout is a number of seconds above 0 and at most {LONGEST_TIMEOUT:.0f}, got "
                f"{seconds}."
            )
        return time.monotonic() + seconds

    def call(
        self, service: str, method: str, request: ProtoMessage, deadline: float
    ) -> ProtoMessage:
        """Sends a request and waits for its answer.

        Args:
            service: `PredictionService` or `ModelService`.
            method: Such as `Predict`.
            request: Message of the method.
            deadline: When the call has to be over, as `deadline` gives it.

        Raises:
            EndpointError: No answer within the deadline, or a refusal.
        """
        path, _, response = rpc(service, method)
        send = self._channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        attempt = 1
        while True:
            try:
                return send(request, timeout=max(deadline - time.monotonic(), 1e-3))
            except grpc.RpcError as error:
                wait = self._retries.wait(attempt)
                again = (
                    error.code() in _RETRIED
                    and attempt < self._retries.attempts
                    and time.monotonic() + wait < deadline
                )
                if not again:
                    raise self._failure(method, error, attempt) from None
            except ValueError as error:  # what gRPC raises for a channel that was closed
                raise EndpointError("CANCELLED", f"{method} of {self.target}: {error}") from None
            time.sleep(wait)
            attempt += 1

    def _failure(self, method: str, error: grpc.RpcError, attempts: int) -> EndpointError:
        code, details = error.code(), " ".join((error.details() or "no details").split())
        where = f"{method} of {self.target}"
        tried = "" if attempts == 1 else f", {attempts} attempts"
        if code == grpc.StatusCode.UNAVAILABLE:
            hint = "Check the address, that the server runs, and TLS on both sides."
        elif code == grpc.StatusCode.DEADLINE_EXCEEDED:
            hint = "Give it more time, or find out why it is slow."
        else:
            hint = ""
        message = f"{where} failed with {code.name}{tried}: {details}"
        return EndpointError(code.name, f"{message.rstrip('.')}. {hint}".rstrip())


def _content(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}. Give a file in PEM."
        ) from None
