"""What a client is told when its request cannot be answered."""

import re

import grpc

_NODE = re.compile(r"\{\{(?:function_)?node [^}]*\}\}\s*")
_HEADING = re.compile(r"Graph execution error:|Detected at node|Node: |\[\[")
_LONGEST_QUOTE = 80
_LONGEST_MESSAGE = 500
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """A request that is answered by a status and a sentence, never by a traceback.

    Args:
        code: The status of gRPC; REST derives its own from it.
        message: What was received, what was expected, how to mend it.

    Attributes:
        code: The status.
        message: The sentence.
        fields: Raw column -> what is wrong with its value, where the request is a row.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields: dict[str, str] = {}


def invalid(message: str) -> ServingError:
    """The client sent something that no retry will make right."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """There is no such model, version or label."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def exhausted(message: str) -> ServingError:
    """The server has too much to do; the same request may succeed later."""
    return ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def from_tensorflow(error: Exception, where: str) -> ServingError:
    """What TensorFlow says about a request, as a status and one short sentence.

    A value that cannot be converted to a tensor is the client's mistake, as TypeError and
    ValueError are raised for it before anything runs.

    Args:
        error: What `Session.run` or a callable raised.
        where: What was asked for, such as `signature 'rank'`.
    """
    number = getattr(error, "error_code", None)
    if number is None:
        number = 3 if isinstance(error, (TypeError, ValueError)) else 13
    code = _CODES.get(number, grpc.StatusCode.INTERNAL)
    return ServingError(code, f"{where}: {first_sentence(error)}")


def first_sentence(error: Exception) -> str:
    """The first line of an error that says something, without names of nodes, cut to be read."""
    text = getattr(error, "message", None) or str(error)
    if isinstance(error, UnicodeDecodeError):  # TensorFlow's own message quotes bytes it was sent
        text = bytes(error.object).decode("utf-8", "replace")
    lines = (line.strip() for line in _NODE.sub("", text).splitlines())
    line = next((line for line in lines if line and not _HEADING.match(line)), None)
    line = line or type(error).__name__
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}..."


def quote(name: object) -> str:
    """`repr` of what a client sent, cut: names may be megabytes long."""
    if isinstance(name, (str, bytes)) and len(name) > _LONGEST_QUOTE:
        return f"{name[:_LONGEST_QUOTE]!r}... ({len(name):,} long)"
    return repr(name)
