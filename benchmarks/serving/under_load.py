"""Starts servers and clients in processes of their own, and lets clients send for a while."""

import base64
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from benchmarks.serving.sample_requests import Request

Protocol = Literal["grpc", "rest"]
_numbers = itertools.count()


@dataclass(frozen=True)
class Ports:
    """Where a server listens, and its process id."""

    grpc: int
    rest: int
    pid: int


class Process(NamedTuple):
    """A child, and the pipes to and from it."""

    child: subprocess.Popen
    requests: IO[str]
    replies: IO[str]


@dataclass
class Client:
    """A client process; `run` starts, `result` waits."""

    process: Process

    def run(self, seconds: float, count: int = 1 << 40) -> None:
        self.process.requests.write(f"run {seconds} {count}\n")
        self.process.requests.flush()

    def stop(self) -> dict[str, Any]:
        """Ends a run after the request that it is at; its result."""
        self.process.child.send_signal(signal.SIGUSR1)
        return self.result()

    def result(self) -> dict[str, Any]:
        line = self.process.replies.readline()
        if not line:
            raise RuntimeError("a client has ended; its last words are on standard error")
        return json.loads(line)


@contextmanager
def server(path: Path, name: str, *options: str) -> Iterator[Ports]:
    """Serves a folder of versions in a process of its own while the block runs.

    Args:
        path: As `python -m pipeline serve` takes it.
        name: Name of the model.
        options: Keyword arguments of `ServerOptions`, as `key=number`.
    """
    command = [sys.executable, "-m", "benchmarks.serving.server_process", str(path), name]
    with _process([*command, *options]) as process:
        line = process.replies.readline()
        if not line:
            raise SystemExit("the server did not start; its last words are on standard error")
        yield Ports(**json.loads(line))


@contextmanager
def clients(
    folder: Path,
    ports: Ports,
    protocols: Sequence[Protocol],
    model: str,
    requests: Sequence[Request],
    answers: Sequence[Sequence[Sequence[float]]] = (),
    think_seconds: float = 0.0,
) -> Iterator[list[Client]]:
    """A client for each of `protocols`, connected and waiting.

    Args:
        folder: Takes the specifications of the clients.
        ports: Where the server listens.
        protocols: One a client.
        model: Name of the model.
        requests: All of one number of rows; sent in turn.
        answers: Kind of version -> request -> scores, to check answers with; none for no checks.
        think_seconds: How long a client waits before it asks again, on average.
    """
    with ExitStack() as stack:
        started = []
        for protocol in protocols:
            bodies = [each.grpc if protocol == "grpc" else each.rest for each in requests]
            spec = {
                "protocol": protocol,
                "port": getattr(ports, protocol),
                "model": model,
                "rows": requests[0].rows,
                "requests": [base64.b64encode(each).decode() for each in bodies],
                "answers": answers,
                "think_seconds": think_seconds,
            }
            path = folder / f"client_{next(_numbers)}.json"
            path.write_text(json.dumps(spec))
            command = [sys.executable, "-m", "benchmarks.serving.client_process", str(path)]
            started.append(Client(stack.enter_context(_process(command))))
        for client in started:
            client.result()
        yield started


def run_together(started: Sequence[Client], seconds: float, count: int = 1 << 40) -> list[dict]:
    """All clients send at once; their results."""
    for client in started:
        client.run(seconds, count)
    return [client.result() for client in started]


@contextmanager
def _process(command: Sequence[str]) -> Iterator[Process]:
    """A child that reads its requests from standard input, and ends when that does."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield Process(child, child.stdin, child.stdout)
    finally:
        child.stdin.close()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
