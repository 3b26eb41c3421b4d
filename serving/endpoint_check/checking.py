"""Runs checks, and says of each whether the endpoint answered as it should."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from features.errors import UserError
from serving.client.connection import EndpointError
from serving.endpoint_check.reference import DifferenceError

Check = tuple[str, Callable[[], str]]  # what is asked; how well it went, or an error

# What a client did wrong, in gRPC's and in HTTP's words.
BAD_INPUT = ("INVALID_ARGUMENT", "HTTP 400")
NO_SUCH_MODEL = ("NOT_FOUND", "HTTP 404")
# `tensorflow_model_server` calls it a failed precondition.
NO_SUCH_SIGNATURE = (*BAD_INPUT, *NO_SUCH_MODEL, "FAILED_PRECONDITION", "HTTP 412")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Args:
        name: What was asked.
        good: Whether the endpoint answered as it should.
        detail: How far it differs, or what went wrong.
    """

    name: str
    good: bool
    detail: str


def run(protocol: str, checks: Iterable[Check]) -> Iterator[Finding]:
    """Runs checks one by one; the first one asks whether there is anything to check."""
    first = True
    for name, check in checks:
        try:
            yield Finding(f"{protocol} {name}", True, check())
        except (DifferenceError, UserError) as error:
            yield Finding(f"{protocol} {name}", False, str(error))
            if first:
                return
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # The answer has another form than the API's.
            detail = f"not the form of an answer: {type(error).__name__}: {error}"
            yield Finding(f"{protocol} {name}", False, detail)
        first = False


def refused(ask: Callable[[], object], codes: Collection[str]) -> Callable[[], str]:
    """A check that a question is refused, with one of these codes."""

    def check() -> str:
        try:
            ask()
        except EndpointError as error:
            if error.code in codes:
                return f"refused with {error.code}"
            raise
        raise DifferenceError("answered, though it should be refused")

    return check
