"""The server's memory under a mixed load: does it grow?

    python -m benchmarks.serving.server_memory RUN/export/1 --minutes 30

Clients ask over both protocols for every signature that takes tensors, for 1 to 200 rows; among
them are clients whose every request is refused. The server's resident memory is read once a second.
Its drift is the median of the last quarter of the time to that of the second: the first one fills
caches.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.sample_requests import Request, request_of
from benchmarks.serving.under_load import Protocol, clients, server
from serving.export_format import names

_MODEL = "model"
_PROTOCOLS: tuple[Protocol, ...] = ("grpc", "rest")
_LIMIT = 0.05
_ROWS = (1, 20, 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path, help="version folder of an export")
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = stack.enter_context(server(arguments.export, _MODEL))
        good, bad = [], []
        for rows in _ROWS:
            asked = [
                request_of(arguments.export, _MODEL, signature, rows)
                for signature in (names.RANK, names.RAW_TENSORS, names.SERVING_DEFAULT)
            ]
            good += stack.enter_context(clients(folder, ports, _PROTOCOLS, _MODEL, asked))
        refused = [each for one in asked for each in _spoilt(one)]
        bad += stack.enter_context(clients(folder, ports, _PROTOCOLS, _MODEL, refused))
        for client in (*good, *bad):
            client.run(60.0 * arguments.minutes)
        resident = _resident(ports.pid, 60.0 * arguments.minutes)
        _report(resident, [client.result() for client in good], [client.result() for client in bad])


def _spoilt(request: Request) -> list[Request]:
    """Requests that must be refused: cut off, no bytes of a message, no such signature or model."""
    longer = b"\xff" * 1000
    return [
        dataclasses.replace(request, grpc=request.grpc[:-7], rest=request.rest[:-7]),
        dataclasses.replace(request, grpc=longer, rest=longer),
        dataclasses.replace(
            request,
            grpc=request.grpc.replace(request.signature.encode(), b"?" * len(request.signature)),
            rest=request.rest.replace(request.signature.encode(), b"?" * len(request.signature)),
        ),
        dataclasses.replace(request, grpc=b"", rest=b"[" * 100_000),
    ]


def _resident(process: int, seconds: float) -> list[int]:
    """Bytes of memory of a process, once a second."""
    samples = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
        )
        samples.append(int(fields["VmRSS"].split()[0]) << 10)
        time.sleep(1.0)
    return samples


def _report(resident: Sequence[int], good: Sequence[dict], bad: Sequence[dict]) -> None:
    quarter = max(len(resident) // 4, 1)
    before = statistics.median(resident[quarter : 2 * quarter] or resident)
    after = statistics.median(resident[-quarter:])
    drift = after / before - 1.0
    sent, failed = (sum(map(value, good)) for value in (_sent, lambda result: result["failed"]))
    refused = sum(result["failed"] for result in bad)
    print(
        f"{sent:,} good requests, {failed} of them failed; {sum(map(_sent, bad)):,} bad ones, "
        f"{refused:,} of them refused.\n"
        f"Resident memory in MiB, over the time: {_curve(resident)}.\n"
        f"Drift from the second quarter to the last: {drift:+.1%}, limit {_LIMIT:.0%}: "
        f"{'met' if drift <= _LIMIT else 'MISSED'}."
    )
    for reason in sorted({reason for result in good for reason in result["reasons"]}):
        print(f"- {reason}")
    if failed or refused < sum(map(_sent, bad)) or drift > _LIMIT:
        raise SystemExit(1)


def _sent(result: dict) -> int:
    return len(result["latencies"])


def _curve(resident: Sequence[int]) -> str:
    steps = range(0, len(resident), max(len(resident) // 12, 1))
    return ", ".join(f"{resident[i] / 2**20:.0f}" for i in steps)


if __name__ == "__main__":
    main()
