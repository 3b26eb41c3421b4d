"""One request on its way through the server: what is measured, when it ends, how it fails."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from serving.server.core.serving_error import ServingError

_MOST_BYTES = 2000  # of a message: gRPC sends it percent-encoded, in headers of 8 KB
_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass
class Call:
    """What the metrics say about a request, filled in while it is answered.

    Attributes:
        api: What was asked for, such as `Predict`.
        entrypoint: `GRPC` or `REST`.
        deadline: When the client gives up, as `time.monotonic` tells it; None for never.
        model: Name of the model, once one was found: an invented name must not become a label.
        version: Version that answers.
        signature: Name of the signature, once it was found.
        rows: How many rows were scored.
        started: When the request came, as `time.perf_counter` tells it.
    """

    api: str
    entrypoint: str
    deadline: float | None = None
    model: str = ""
    version: str = ""
    signature: str = ""
    rows: int = 0
    started: float = field(default_factory=time.perf_counter)

    def check_deadline(self) -> None:
        """Raises DEADLINE_EXCEEDED where nobody waits for the answer any more."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"{self.api}: the deadline passed before the model ran. Allow the call more time, "
                "or send fewer calls at once.",
            )


def guarded(call: Call, function: Callable[[], Answer]) -> Answer:
    """Runs what answers a request, so that it fails by a `ServingError` only.

    Raises:
        ServingError: As the function raised it, its message cut to what fits into a header. Of
            any other exception the client learns nothing but that there was one; the log has it.
    """
    try:
        return function()
    except ServingError as error:
        raise ServingError(error.code, _short(error.message)) from error
    except Exception:
        _log.exception("%s over %s failed", call.api, call.entrypoint)
        raise ServingError(
            grpc.StatusCode.INTERNAL,
            f"{call.api}: the server failed. The reason is in its log.",
        ) from None


def _short(message: str) -> str:
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= _MOST_BYTES:
        return encoded.decode()
    return encoded[:_MOST_BYTES].decode("utf-8", "ignore") + "..."
